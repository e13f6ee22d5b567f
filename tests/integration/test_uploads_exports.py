"""What Forecastle itself exports passes the check of uploads, and answers the same when it comes back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_desk import HEAT, Desk, people, weather

from forecastle.registry.manifest import Manifest
from forecastle.registry.predictor import Predictor
from forecastle.settings import UploadSettings
from forecastle.uploads.describing import describe
from forecastle.uploads.document import Document
from forecastle.uploads.inspector import Inspector

RICH: dict[str, Any] = {"features": ["age", "trade"], "target": {"column": "rich"}, "split": {"kind": "random"}}
QUICK = {"n_estimators": 10}
CASES: dict[str, dict[str, Any]] = {
    "ridge": {**HEAT},
    "elastic_net": {**HEAT, "algorithm": "elastic_net"},
    "nearest_neighbours": {**HEAT, "algorithm": "nearest_neighbours"},
    "lightgbm": {**HEAT, "algorithm": "lightgbm", "hyperparameters": QUICK},
    "xgboost": {**HEAT, "algorithm": "xgboost", "hyperparameters": QUICK},
    "random_forest": {**HEAT, "algorithm": "random_forest", "hyperparameters": QUICK},
    "logistic": {**RICH, "algorithm": "logistic"},
    "forest of classes": {**RICH, "algorithm": "random_forest", "hyperparameters": QUICK},
    "boosted classes": {**RICH, "algorithm": "lightgbm", "hyperparameters": QUICK},
}


def rows_for(manifest: Manifest) -> list[list[Any]]:
    random = np.random.default_rng(3)
    return [
        [str(random.choice(each.categories)) if each.categories else random.normal(20, 9) for each in manifest.features]
        for _ in range(12)
    ]


@pytest.mark.parametrize("case", CASES)
async def test_an_export_comes_back(case: str, tmp_path: Path) -> None:
    desk, recipe = Desk(tmp_path), CASES[case]
    series = "heat" in recipe["features"]
    table = desk.add("weather", weather(), keys=("city",)) if series else desk.add("people", people())
    trained = desk.train(desk.order(table, recipe))
    blobs = sorted((tmp_path / "artifacts" / "sha256").glob("*/*"))
    (graph,) = [blob for blob in blobs if not blob.read_bytes().startswith(b"{")]
    rows = rows_for(trained.manifest)
    answers = trained.predictor.predict(trained.predictor.encode(rows))
    inputs = [
        {"name": each.name, "kind": each.kind, "categories": each.categories, "dtype": "float64"}
        for each in trained.manifest.features
    ]
    classes = trained.manifest.classes
    document = {
        "name": "again",
        "schema": {"inputs": inputs, "task": "binary" if classes else "regression", "classes": classes},
        "sample": rows,
        "expected": answers.values if answers.probabilities is None else answers.probabilities.tolist(),
    }
    adapted = tmp_path / "adapted.onnx"
    findings = await Inspector(UploadSettings(), most_rows=100).inspect(graph, adapted, document)
    assert findings.largest_difference == 0
    facts: dict[str, Any] = {"model_id": "m", "fingerprint": "f", "sha256": "s", "size": 1}
    manifest = describe(Document.parse(document), findings, **facts, now=trained.manifest.created_at)
    again = Predictor(adapted.read_bytes(), manifest)
    found = again.predict(again.encode(rows))
    assert found.values == answers.values
    if answers.probabilities is not None and found.probabilities is not None:
        assert np.array_equal(found.probabilities, answers.probabilities)
