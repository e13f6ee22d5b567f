"""BentoML with the same booster: one worker, and adaptive batches of up to `BATCH` requests (1: none)."""

import os

import bentoml
import lightgbm
import numpy as np

BATCH = int(os.environ["BATCH"])
BATCHED = {"batchable": True, "max_batch_size": BATCH, "max_latency_ms": 1000} if BATCH > 1 else {}


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Booster:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    @bentoml.api(**BATCHED)
    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.booster.predict(features, num_threads=1)
