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


def shown(example: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route whose answer looks like this."""
    return {200: {"content": {"application/json": {"example": example}}}}
