"""What is learned about the inputs before the algorithm sees them: category codes, fill values, scales.

All of it is fitted on the rows of a training window only. Category codes travel in the manifest; everything after them
is part of the graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecastle.features.matrix import Column, FeatureMatrix, Vocabulary
from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.errors import TrainingFailed
from forecastle.training.graphs import GraphBuilder

MAX_CATEGORIES = 1_000
MOST_NAMED = 5
UNKNOWN = -1.0

Categories = tuple[str, ...]


def learn_categories(features: FeatureMatrix, names: Sequence[str], rows: Integers) -> tuple[Categories | None, ...]:
    """For each feature the categories seen in `rows`, sorted; None for a number.

    Raises:
        TrainingFailed: a feature has more than 1,000 categories.
    """
    return tuple(_seen(features.column(position), name, rows) for position, name in enumerate(names))


def _seen(column: Column, name: str, rows: Integers) -> Categories | None:
    if column.vocabulary is None:
        return None
    places = np.unique(column.values[rows])
    seen = tuple(column.vocabulary[int(place)] for place in places[~np.isnan(places)])
    if len(seen) > MAX_CATEGORIES:
        raise TrainingFailed(f"feature {name} has {len(seen):,} categories; at most {MAX_CATEGORIES:,} can be used")
    return seen


def encode(features: FeatureMatrix, rows: Integers, categories: Sequence[Categories | None]) -> Floats:
    """The input matrix [n, F] of some rows, not to be written to: numbers as they are, missing as NaN.

    Categories become codes, -1 when unseen or missing.
    """
    coded = {position: seen for position, seen in enumerate(categories) if seen is not None}
    matrix = features.take(rows)
    if coded and np.may_share_memory(matrix, features.values):
        matrix = matrix.copy()
    for position, seen in coded.items():
        vocabulary = features.column(position).vocabulary or ()
        matrix[:, position] = _codes(matrix[:, position], vocabulary, seen)
    return matrix


def _codes(places: Floats, vocabulary: Vocabulary, seen: Categories) -> Floats:
    code_of = {text: float(code) for code, text in enumerate(seen)}
    codes = np.array([*(code_of.get(text, UNKNOWN) for text in vocabulary), UNKNOWN])
    return codes[np.where(np.isnan(places), len(vocabulary), places).astype(np.int64)]


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """A fitted map from the input matrix [N, F] to the algorithm's matrix [N, P]: numbers first, then 0/1 columns."""

    numbers: Integers
    """Input positions of the numbers."""
    fill: Floats | None
    """Value of each missing number; None when none may be missing."""
    centre: Floats | None
    scale: Floats | None
    flags: Integers
    """Input position of each 0/1 column."""
    codes: Floats
    """The category code that each 0/1 column stands for."""

    @property
    def sources(self) -> Integers:
        """The input position that each of the P columns comes from."""
        return np.concatenate([self.numbers, self.flags])

    def transform(self, matrix: Floats) -> Floats:
        """The algorithm's matrix; the very one that is given where nothing is to be done."""
        whole = np.array_equal(self.numbers, np.arange(matrix.shape[1]))
        numbers = matrix if whole else matrix[:, self.numbers]
        if self.fill is not None:
            numbers = np.where(np.isnan(numbers), self.fill, numbers)
        if self.centre is not None and self.scale is not None:
            numbers = (numbers - self.centre) / self.scale
        if len(self.flags):
            numbers = np.hstack([numbers, matrix[:, self.flags] == self.codes])
        return np.ascontiguousarray(numbers)

    def emit(self, graph: GraphBuilder, matrix: str) -> str:
        """Add the same computation to a graph; returns the name of its result."""
        parts = []
        if len(self.numbers):
            parts.append(self._emit_numbers(graph, graph.columns(matrix, self.numbers)))
        if len(self.flags):
            equal = graph.add("Equal", graph.columns(matrix, self.flags), graph.constant(self.codes))
            parts.append(graph.double(equal))
        return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]

    def _emit_numbers(self, graph: GraphBuilder, numbers: str) -> str:
        if self.fill is not None:
            numbers = graph.add("Where", graph.add("IsNaN", numbers), graph.constant(self.fill), numbers)
        if self.centre is not None and self.scale is not None:
            numbers = graph.add("Sub", numbers, graph.constant(self.centre))
            numbers = graph.add("Div", numbers, graph.constant(self.scale))
        return numbers


def fit(
    matrix: Floats,
    categories: Sequence[Categories | None],
    *,
    names: Sequence[str],
    order: Sequence[int],
    fill_missing: bool,
    standardise: bool,
) -> Preprocessor:
    """Learn fill values, centres and scales from the rows of a training window.

    Args:
        matrix: [N, F] input matrix of the training rows.
        categories: of each column, None for a number.
        names: of each column, for messages.
        order: all column positions in the order in which the algorithm shall see them, whatever order was declared.
        fill_missing: replace missing numbers by the column's median.
        standardise: bring numbers to mean 0 and standard deviation 1; a constant column becomes 0.

    Raises:
        TrainingFailed: there is nothing to learn from, or a column is too large to standardise.
    """
    numbers = np.array([column for column in order if categories[column] is None], dtype=np.int64)
    flags = [(column, code) for column in order for code in range(len(categories[column] or ()))]
    if not (len(numbers) or flags):
        raise TrainingFailed("every feature is empty in the training window")
    values = matrix[:, numbers]
    fill = _medians(values) if fill_missing else None
    if fill is not None:
        values = np.where(np.isnan(values), fill, values)
    centre, scale = _moments(values, [names[column] for column in numbers]) if standardise else (None, None)
    return Preprocessor(
        numbers=numbers,
        fill=fill,
        centre=centre,
        scale=scale,
        flags=np.array([column for column, _ in flags], dtype=np.int64),
        codes=np.array([code for _, code in flags], dtype=np.float64),
    )


def _medians(values: Floats) -> Floats:
    medians = np.zeros(values.shape[1])
    some: Booleans = np.logical_not(np.isnan(values).all(axis=0))
    if some.any():
        medians[some] = np.nanmedian(values[:, some], axis=0)
    return medians


def _moments(values: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
    constant = values.min(axis=0) == values.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        centre = np.where(constant, values[0], values.mean(axis=0))
        scale = np.where(constant, 1.0, values.std(axis=0))
    excessive = np.flatnonzero(~(np.isfinite(centre) & np.isfinite(scale))).tolist()
    if excessive:
        found = ", ".join(f"{names[column]} ({np.abs(values[:, column]).max():g})" for column in excessive[:MOST_NAMED])
        more = f" and {len(excessive) - MOST_NAMED} more" if len(excessive) > MOST_NAMED else ""
        raise TrainingFailed(f"values of {found}{more} are too large to standardise; divide them or take their log")
    return centre, np.where(scale > 0, scale, 1.0)
