"""Nearest neighbours: a row is answered by the training rows that lie nearest to it.

Which rows are nearest is decided alike by NumPy and by ONNX Runtime, down to ties: distances are taken on a grid of
1/4096 of a standard deviation, out to 256 of them, so that every square, product and sum is a whole number that float64
holds exactly, in whatever order it is added up. Of equal distances the earlier row counts as nearer.

Distances come from |x - t|² = |x|² - 2 x·t + |t|², so that N rows against M need [N, M] numbers, not [N, M, P].
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecastle.training.algorithms.fitted import EXACT, Options, inverse_frequencies
from forecastle.training.arrays import Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import GraphBuilder

STEPS = 4096.0
"""Grid steps in a standard deviation."""
REACH = 256.0
"""Farthest from the mean, in standard deviations: 2^20 steps. Squares of 2^11 differences add up to 2^53 at most."""
MAX_COLUMNS = 2**11
MAX_ROWS = 50_000
MAX_NUMBERS = 10_000_000
HELD_DISTANCES = 4_000_000
"""So many distances are held at once."""


@dataclass(frozen=True, slots=True)
class FittedNeighbours:
    """The training rows and what each of them says."""

    points: Floats
    """[M, P] on the grid."""
    answers: Floats
    """Values or class codes [M]."""
    weights: Floats
    """Of each class; empty for a regression."""
    neighbours: int
    by_distance: bool

    @property
    def atol(self) -> float:
        """The neighbours are the same, and what they say is added up in float64."""
        return EXACT

    def predict(self, matrix: Floats) -> Floats:
        """Predictions [N], or probabilities [N, K]."""
        size = max(1, HELD_DISTANCES // len(self.points))
        starts = range(0, max(1, len(matrix)), size)
        return np.concatenate([self._predict(matrix[start : start + size]) for start in starts])

    def _predict(self, matrix: Floats) -> Floats:
        squares = _squares(_on_grid(matrix), self.points)
        nearest = _nearest(squares, self.neighbours)
        say = self._says(np.take_along_axis(squares, nearest, axis=1))
        found = self.answers[nearest]
        if not len(self.weights):
            return np.asarray((say * found).sum(axis=1))
        votes = (say[:, :, None] * np.diag(self.weights)[found.astype(np.int64)]).sum(axis=1)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def _says(self, squares: Floats) -> Floats:
        """Equal shares, or in proportion to the inverse distances; at a distance of 0 only such rows have a say."""
        if not self.by_distance:
            return np.full(squares.shape, 1.0 / self.neighbours)
        same = squares == 0
        with np.errstate(divide="ignore"):
            say = np.where(same.any(axis=1, keepdims=True), same.astype(np.float64), 1.0 / np.sqrt(squares))
        return np.asarray(say / say.sum(axis=1, keepdims=True))

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the training rows, the choice among them and the average of the chosen to a graph."""
        squares, nearest = graph.smallest(self._emit_squares(graph, matrix), self.neighbours)
        say = self._emit_says(graph, squares)
        if not len(self.weights):
            found = graph.add("Gather", graph.constant(self.answers), nearest, axis=0)
            return graph.vector(_emit_sum(graph, graph.add("Mul", say, found), self.neighbours))
        codes = graph.add("Gather", graph.constant(self.answers, np.int64), nearest, axis=0)
        found = graph.add("Gather", graph.constant(np.diag(self.weights)), codes, axis=0)
        middle = graph.constant([1], np.int64)
        votes = graph.add("Squeeze", graph.add("MatMul", graph.add("Unsqueeze", say, middle), found), middle)
        return graph.add("Div", votes, _emit_sum(graph, votes, len(self.weights)))

    def _emit_squares(self, graph: GraphBuilder, matrix: str) -> str:
        near = graph.add("Clip", matrix, graph.constant(-REACH), graph.constant(REACH))
        row = graph.add("Round", graph.add("Mul", near, graph.constant(STEPS)))
        twice = graph.double(graph.constant(2 * self.points.T, np.float32))  # has room for these whole numbers
        products = graph.add("MatMul", row, twice)
        beyond = graph.add("Sub", graph.constant((self.points**2).sum(axis=1)), products)
        return graph.add("Add", beyond, _emit_sum(graph, graph.add("Mul", row, row), self.points.shape[1]))

    def _emit_says(self, graph: GraphBuilder, squares: str) -> str:
        if not self.by_distance:
            return graph.add("Expand", graph.constant(1.0 / self.neighbours), graph.add("Shape", squares))
        same = graph.double(graph.add("Equal", squares, graph.constant(0.0)))
        any_same = graph.add("Greater", _emit_sum(graph, same, self.neighbours), graph.constant(0.0))
        say = graph.add("Where", any_same, same, graph.add("Reciprocal", graph.add("Sqrt", squares)))
        return graph.add("Div", say, _emit_sum(graph, say, self.neighbours))

    def importances(self) -> Mapping[str, Floats]:
        """Nothing: a distance has no part of its own for each column."""
        return {}


def fit(matrix: Floats, target: Floats, options: Options) -> FittedNeighbours:
    """Keep the columns [N, P] and the values or class codes [N].

    Raises:
        TrainingFailed: there are fewer rows than neighbours, or more numbers than a model may carry.
    """
    neighbours = int(options.hyperparameters["n_neighbours"] or 1)
    _check_size(*matrix.shape, neighbours=neighbours)
    weights = np.empty(0)
    if options.task == "classification":
        balanced = inverse_frequencies(target.astype(np.int64))
        weights = balanced if options.hyperparameters["balanced"] else np.ones_like(balanced)
    by_distance = bool(options.hyperparameters["by_distance"])
    return FittedNeighbours(_on_grid(matrix), target.copy(), weights, neighbours, by_distance)


def _check_size(rows: int, columns: int, *, neighbours: int) -> None:
    if neighbours > rows:
        raise TrainingFailed(
            f"hyperparameters.n_neighbours: expected at most the {rows:,} training rows of a window, "
            f"found {neighbours:,}"
        )
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_NUMBERS:
        raise TrainingFailed(
            f"nearest_neighbours carries its training rows in the model: expected at most {MAX_ROWS:,} rows, "
            f"{MAX_COLUMNS:,} columns and {MAX_NUMBERS:,} numbers, found {rows:,} rows of {columns:,} columns; "
            "train on fewer, or with another algorithm"
        )


def _on_grid(matrix: Floats) -> Floats:
    return np.rint(np.clip(matrix, -REACH, REACH) * STEPS)


def _squares(rows: Floats, points: Floats) -> Floats:
    """Squared distances [N, M] in grid steps."""
    return np.asarray((points**2).sum(axis=1) - 2 * (rows @ points.T) + (rows**2).sum(axis=1, keepdims=True))


def _nearest(squares: Floats, count: int) -> Integers:
    """Positions [N, count] of the smallest of each row, the smallest first, and of equal ones the first."""
    chosen = np.sort(np.argpartition(squares, count - 1, axis=1)[:, :count], axis=1)
    found = np.take_along_axis(squares, chosen, axis=1)
    tied = (squares <= found.max(axis=1, keepdims=True)).sum(axis=1) > count
    chosen = np.take_along_axis(chosen, np.argsort(found, axis=1, kind="stable"), axis=1)
    chosen[tied] = np.argsort(squares[tied], axis=1, kind="stable")[:, :count]
    return chosen


def _emit_sum(graph: GraphBuilder, matrix: str, width: int) -> str:
    """The sum [N, 1] of each row: as a product, for the runtime's own sums fail without rows."""
    return graph.add("MatMul", matrix, graph.constant(np.ones((width, 1))))
