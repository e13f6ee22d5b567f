"""The one job that every pool runs: LightGBM on a slice of a mapped matrix. Imported by their worker processes."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from forecastle.jobs.threads import CAPS
from forecastle.training.algorithms import catalogue, lightgbm
from forecastle.training.algorithms.fitted import Options

TREES = 100
SETTINGS = catalogue.complete(catalogue.find("lightgbm"), {"n_estimators": TREES})


def fit(path: str, start: int, rows: int, seed: int) -> str:
    """The hash of the model fitted on `rows` rows from `start`; noise by `seed` is added to the target."""
    matrix = np.load(path, mmap_mode="r")[start : start + rows]
    target = matrix[:, 0] * matrix[:, 1] + matrix[:, 2] + np.random.default_rng(seed).normal(size=rows)
    fitted = lightgbm.fit(matrix, target, Options("regression", SETTINGS, seed))
    return hashlib.sha256(fitted.booster.model_to_string().encode()).hexdigest()


def fit_one(job: dict[str, Any]) -> str:
    """`fit`, of one argument, as `map` wants it."""
    return fit(**job)


def run(payload: dict[str, Any], _context: object) -> dict[str, Any]:
    """`fit` as a task of ours, and the memory its process then has."""
    return {"model": fit(**payload), "memory": memory()}


def memory() -> dict[str, float]:
    """Of this process, in MB: all that is resident, and what of it no file could give back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return {name: int(kilobytes) / 1024 for name, kilobytes in fields.items()} | {"pid": os.getpid()}


def caps(_: object = None) -> dict[str, str]:
    """What caps the threads of numerical libraries in this process."""
    return {name: os.environ.get(name, "") for name in CAPS}


def tell_caps(_payload: dict[str, Any], _context: object) -> dict[str, Any]:
    """`caps`, as a task of ours."""
    return {"caps": caps()}


def checksum(matrix: np.ndarray, start: int, rows: int) -> str:
    """The hash of some rows."""
    return hashlib.sha256(np.ascontiguousarray(matrix[start : start + rows]).tobytes()).hexdigest()


def checksum_of(sent: tuple[np.ndarray, int, int]) -> str:
    """`checksum`, of one argument, as `map` wants it."""
    return checksum(*sent)


def look(payload: dict[str, Any], _context: object) -> dict[str, Any]:
    """`checksum` of a mapped matrix, as a task of ours."""
    return {"checksum": checksum(np.load(payload["path"], mmap_mode="r"), payload["start"], payload["rows"])}
