"""Peers that want files and have questions and answers of their own shape."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairing import HERE
from parts.served_model import ServedModel
from parts.servers import Served, free_port


@dataclass(frozen=True, eq=False)
class MLServer(Served):
    """MLServer's own runtime for LightGBM, without a pool of processes: there is one core."""

    @classmethod
    def of(cls, python: Path, model: ServedModel, batch: int) -> "MLServer":
        """With adaptive batches of up to `batch` requests; 1 is none."""
        folder = model.booster.parent / f"mlserver-{batch}"
        folder.mkdir(exist_ok=True)
        batches = {"max_batch_size": batch, "max_batch_time": 0.002} if batch > 1 else {}
        settings = {"name": "served", "implementation": "mlserver_lightgbm.LightGBMModel"}
        parameters = {"parameters": {"uri": str(model.booster), "version": "v1"}}
        (folder / "model-settings.json").write_text(json.dumps(settings | parameters | batches))
        (folder / "settings.json").write_text(json.dumps({"debug": False, "parallel_workers": 0}))
        return cls(
            f"MLServer, batches of {batch}",
            [python.with_name("mlserver"), "start", "."],
            path="/v2/models/served/infer",
            folder=folder,
            environment={
                "MLSERVER_HTTP_PORT": "{port}",
                "MLSERVER_GRPC_PORT": str(free_port()),
                "MLSERVER_METRICS_PORT": str(free_port()),
            },
        )

    def body(self, row: Sequence[float]) -> dict[str, Any]:
        """As the Open Inference Protocol has it."""
        return {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": list(row)}]}

    def answer(self, reply: Any) -> float:
        """As the Open Inference Protocol has it."""
        return float(reply["outputs"][0]["data"][0])


@dataclass(frozen=True, eq=False)
class BentoML(Served):
    """BentoML's server with a service of one worker."""

    @classmethod
    def of(cls, python: Path, model: ServedModel, batch: int) -> "BentoML":
        """With adaptive batches of up to `batch` requests; 1 is none."""
        return cls(
            f"BentoML, batches of {batch}",
            [python, "-m", "bentoml", "serve", "serving_bentoml:Booster", "--port", "{port}"],
            folder=HERE / "contenders",
            environment={
                "BATCH": str(batch), "MODEL": str(model.booster), "BENTOML_DO_NOT_TRACK": "true",
                "PATH": str(python.parent) + ":/usr/bin:/bin", "BENTOML_HOME": str(model.booster.parent / "bentoml"),
            },
        )  # fmt: skip

    def body(self, row: Sequence[float]) -> dict[str, Any]:
        """One row of a matrix."""
        return {"features": [list(row)]}

    def answer(self, reply: Any) -> float:
        """The one row's."""
        return float(reply[0])
