"""One ONNX graph from raw features to prediction, and the proof that it predicts what the trainer predicts."""

from typing import Any

import numpy as np
import onnx

from forecastle.registry.manifest import Parity
from forecastle.registry.runtime import open_session
from forecastle.training.arrays import Floats
from forecastle.training.errors import ExportMismatch, TrainingFailed
from forecastle.training.graphs import INPUT, GraphBuilder
from forecastle.training.learn import Learned
from forecastle.training.preprocess import UNKNOWN, Categories

RTOL = 1e-9
MAX_GRAPH_BYTES = 512 * 1024 * 1024
BATCH_ROWS = 50_000
SERVED_ROWS = 100
"""So many rows at a time go through the graph, as they do when it is served."""
PROBED_ROWS = 32


def build(learned: Learned, *, features: int) -> bytes:
    """The checked graph: input `features` [N, F]; output `prediction` [N], or `probabilities` [N, K] for K classes.

    Raises:
        TrainingFailed: the graph is too large to serve.
    """
    graph = GraphBuilder()
    result = learned.emit(graph)
    name = "probabilities" if learned.classes else "prediction"
    model = graph.finish(result, name=name, features=features, classes=learned.classes)
    if model.ByteSize() > MAX_GRAPH_BYTES:
        raise TrainingFailed(
            f"the model takes {model.ByteSize() / 2**20:,.0f} MB, at most {MAX_GRAPH_BYTES / 2**20:,.0f} MB can be "
            "served: use fewer or smaller trees"
        )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def prove(graph: bytes, learned: Learned, matrix: Floats) -> Parity:
    """Compare the graph with the trainer on every row of an input matrix [N, F].

    Raises:
        ExportMismatch: some prediction differs by more than atol + rtol * |trainer|, where atol is the algorithm's, or
            is not finite where the trainer's is.
    """
    session, atol = open_session(graph), learned.atol
    worst, excess = 0.0, False
    for start in range(0, len(matrix), BATCH_ROWS):
        batch = matrix[start : start + BATCH_ROWS]
        expected = learned.predict(batch)
        difference = _differences(_serve(session, batch), expected)
        worst = max(worst, float(difference.max()))
        excess |= not (difference <= atol + RTOL * np.abs(expected)).all()
    if excess:
        raise ExportMismatch(difference=worst, atol=atol, rtol=RTOL, rows=len(matrix))
    return Parity(rows=len(matrix), max_abs_difference=worst, atol=atol, rtol=RTOL)


def _serve(session: Any, matrix: Floats) -> Floats:
    parts = [matrix[start : start + SERVED_ROWS] for start in range(0, len(matrix), SERVED_ROWS)]
    return np.concatenate([session.run(None, {INPUT: part})[0] for part in parts])


def _differences(found: Floats, expected: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        difference = np.where(found == expected, 0.0, np.abs(found - expected))
    return np.nan_to_num(difference, nan=np.inf)


def probes(matrix: Floats, categories: tuple[Categories | None, ...], *, fills_missing: bool) -> Floats:
    """Rows that data may not hold but callers may send: each category unknown, each number missing if it may be."""
    shown = matrix[:PROBED_ROWS]
    made = [matrix]
    for feature, seen in enumerate(categories):
        if seen is not None or fills_missing:
            probe = shown.copy()
            probe[:, feature] = np.nan if seen is None else UNKNOWN
            made.append(probe)
    return np.concatenate(made)
