"""What answers look like, for the documentation."""

from collections.abc import Mapping
from typing import Any

MODEL = {"id": "01k8zv0m5nq1r3s5t7v9x1z3b5", "name": "nvda-tomorrow", "version": 3}
INTERVAL = {"coverage": 0.8, "lower": -0.0214, "upper": 0.0251, "target": {"lower": 120.92, "upper": 126.68}}

PREDICTION: Mapping[str, Any] = {
    "id": "01k8zv1c7dw2f4h6k8m0p2r4t6",
    "prediction": 0.0021,
    "confidence": None,
    "probabilities": None,
    "model": MODEL,
    "model_version": 3,
    "cached": False,
    "latency_ms": 0.412,
    "created_at": "2026-11-02T09:30:00Z",
    "target": {"column": "close", "value": 123.8},
    "interval": INTERVAL,
    "features": {"day": 0.0113, "rsi": 57.2},
    "as_of": "2026-10-30T00:00:00Z",
    "fallback": None,
    "warnings": [],
}
BATCH: Mapping[str, Any] = {
    "predictions": [0.0021, -0.0008],
    "count": 2,
    "ids": ["01k8zv1c7dw2f4h6k8m0p2r4t6", "01k8zv1c7dx3g5j7m9p1s3v5x7"],
    "probabilities": None,
    "confidences": None,
    "cached": [False, False],
    "intervals": [
        {"coverage": 0.8, "lower": -0.0214, "upper": 0.0251, "target": None},
        {"coverage": 0.8, "lower": -0.0243, "upper": 0.0222, "target": None},
    ],
    "warnings": [[], []],
    "model": MODEL,
    "model_version": 3,
    "latency_ms": 0.655,
    "fallback": None,
}
MODEL_SCHEMA = (
    '{"inputs": [{"name": "age"}, {"name": "plan", "kind": "category", "categories": ["basic", "plus"]}], '
    '"task": "binary", "classes": ["stays", "leaves"]}'
)
MODEL_SAMPLE = '[[34, "basic"], {"age": 51, "plan": "plus"}]'
UPLOADED: Mapping[str, Any] = {
    "id": "01k8zv2f9gy3h5j7m9p1s3v5x7",
    "name": "churn",
    "version": 1,
    "stage": "dev",
    "task": "classification",
    "algorithm": "uploaded",
    "fingerprint": "5d41402abc4b2a76b9719d911017c592ae3f1f0c7b2a94b6d0c1f5e8a7b3c2d1",
    "graph_sha256": "7c9e6679f0a84a3b8d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e",
    "manifest_sha256": "9b74c9897bac770ffc029102a200c5de5f1d2e3c4b5a69788796a5b4c3d2e1f0",
    "metrics": {},
    "baselines": {},
    "skill": None,
    "dataset": "",
    "parent": None,
    "cohort": None,
    "group": None,
    "tags": [],
    "owner": "01k8zuzz3b5d7f9h1k3m5p7r9t",
    "created_at": "2026-11-02T09:30:00Z",
}


def shown(example: Mapping[str, Any], *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route whose answer looks like this."""
    return {status: {"content": {"application/json": {"example": example}}}}
