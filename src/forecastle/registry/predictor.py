"""A loaded model: rows in, predictions out. ONNX Runtime and nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from forecastle.errors import FieldProblem, clip
from forecastle.registry.errors import BadFeatures, GraphInvalid
from forecastle.registry.manifest import FeatureColumn, Manifest
from forecastle.registry.runtime import explain, open_session
from forecastle.types import is_storable

Matrix: TypeAlias = npt.NDArray[np.float64]
#: Values in feature order, or by feature name.
Row: TypeAlias = Sequence[object] | Mapping[str, object]

UNSEEN = -1.0
MAX_PROBLEMS = 20
_NUMBERS = {float, int}


@dataclass(frozen=True, slots=True)
class Output:
    """What a model answers for N rows."""

    values: list[float | str]
    """Per row the number, or the label of the likeliest class."""
    probabilities: Matrix | None
    """[N, K] in the order of the manifest's classes; None for regression."""


class Predictor:
    """A model's graph, ready to run on one thread.

    Raises:
        GraphInvalid: the graph does not load, or its inputs and outputs are not those of the manifest.
    """

    def __init__(self, graph: bytes, manifest: Manifest) -> None:
        self.manifest = manifest
        self._session = _load(graph)
        self._outputs = [_check(self._session, manifest)]
        self._codes = [_codes(column) for column in manifest.features]
        self._positions = {column.name: i for i, column in enumerate(manifest.features)}
        self._numeric = not any(column.kind == "category" or column.whole_up_to for column in manifest.features)

    def encode(self, rows: Sequence[Row], *, label: str = "features") -> Matrix:
        """`rows` as the graph's input, [N, F].

        Numbers must be numbers: text and true/false are refused, and so are infinities and integers beyond the range
        of a float. A missing number (None, NaN) is accepted only if the model fills it in (`missing == "median"`).
        Categories are text; one that was not seen in training, or None, is coded -1. Every feature must be given.

        Args:
            rows: values in feature order, or by feature name.
            label: where a row stands in the caller's request, for messages; `{}` becomes its number.

        Raises:
            BadFeatures: names each wrong feature, what was expected and what was found.
        """
        ordered = [self._ordered(row, label.format(i)) for i, row in enumerate(rows)]
        if self._numeric and (matrix := self._all_numbers(ordered)) is not None:
            return matrix
        matrix = np.empty((len(ordered), len(self._codes)))
        problems: list[FieldProblem] = []
        for i, row in enumerate(ordered):
            for j, value in enumerate(row):
                number = self._number(j, value)
                if number is None:
                    problems.append(self._problem(j, value, label.format(i)))
                else:
                    matrix[i, j] = number
        if problems:
            raise BadFeatures(problems=problems[:MAX_PROBLEMS])
        return matrix

    def encode_one(self, row: Row) -> Matrix:
        """One row as `encode` gives it, [1, F]."""
        if self._numeric and isinstance(row, list) and len(row) == len(self._codes):
            matrix = self._all_numbers([row])
            if matrix is not None:
                return matrix
        return self.encode([row])

    def predict(self, matrix: Matrix) -> Output:
        """One answer per row of `matrix`, [N, F] as `encode` makes it.

        Raises:
            BadFeatures: the features are so large that the model's answer is not a finite number, or the model cannot
                compute one from them.
        """
        answer = self._run(matrix)
        if not math.isfinite(answer.sum()) and not np.isfinite(answer).all():
            problem = FieldProblem("features", "numbers for which the model has a finite answer")
            message = "these features are so far out of range that the model gives no finite answer"
            raise BadFeatures(message, problems=[problem])
        if self.manifest.task == "regression":
            return Output(answer.tolist(), None)
        classes = self.manifest.classes
        return Output([classes[i] for i in answer.argmax(axis=1).tolist()], answer)

    def _run(self, matrix: Matrix) -> Matrix:
        try:
            answer: Matrix = self._session.run(self._outputs, {"features": matrix})[0]
        except Exception as error:  # the runtime's errors share no base class
            reason = clip(explain(error), 200)
            problem = FieldProblem("features", "numbers that the model can compute with", reason)
            message = f"the model cannot compute an answer from these features: {reason}"
            raise BadFeatures(message, problems=[problem]) from error
        return answer

    def unseen(self, row: Row) -> tuple[str, ...]:
        """Names of the features of an encodable row that hold a category that was not seen in training."""
        if self._numeric:
            return ()
        found = zip(self.manifest.features, self._codes, self._ordered(row, "features"), strict=True)
        return tuple(
            column.name
            for column, codes, value in found
            if codes is not None and value is not None and value not in codes
        )

    def _ordered(self, row: Row, label: str) -> Sequence[object]:
        if isinstance(row, Mapping):
            return self._by_position(row, label)
        if not isinstance(row, list | tuple):
            raise BadFeatures.at(label, expected="a list, or an object by feature name", found=row)
        if len(row) != len(self._codes):
            raise BadFeatures.at(label, expected=f"{len(self._codes)} values", found=f"{len(row)}")
        return row

    def _by_position(self, row: Mapping[str, object], label: str) -> Sequence[object]:
        if row.keys() == self._positions.keys():
            return [row[name] for name in self._positions]
        unknown = [name for name in row if name not in self._positions]
        missing = [name for name in self._positions if name not in row]
        problems = [
            FieldProblem(f"{label}.{clip(name)}", self._hint(name, missing), "no such feature")
            for name in unknown[:MAX_PROBLEMS]
        ]
        problems += [FieldProblem(f"{label}.{name}", "a value", "nothing") for name in missing]
        raise BadFeatures(problems=problems[:MAX_PROBLEMS])

    def _hint(self, name: str, missing: Sequence[str]) -> str:
        near = get_close_matches(name, missing, n=1) or get_close_matches(name, self._positions, n=1)
        return f"{near[0]}" if near else f"one of the model's {len(self._positions)} features"

    def _all_numbers(self, rows: Sequence[Sequence[object]]) -> Matrix | None:
        """The rows if every value is a plain finite number: the usual case, without a loop over values in Python."""
        try:
            for row in rows:
                if not _NUMBERS.issuperset(map(type, row)) or not math.isfinite(sum(row)):  # type: ignore[arg-type]
                    return None
            return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._codes))
        except OverflowError:
            return None

    def _number(self, position: int, value: object) -> float | None:
        """The value as the graph takes it; None if it cannot be used."""
        codes = self._codes[position]
        if codes is not None:
            return _code(codes, value)
        if value is None:
            value = math.nan
        if isinstance(value, bool) or not isinstance(value, float | int):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        whole_up_to = self.manifest.features[position].whole_up_to
        if whole_up_to is not None and not (number.is_integer() and abs(number) <= whole_up_to):
            return None
        fills = self.manifest.missing == "median"
        return number if math.isfinite(number) or (math.isnan(number) and fills) else None

    def _problem(self, position: int, value: object, label: str) -> FieldProblem:
        column = self.manifest.features[position]
        return FieldProblem(f"{label}.{column.name}", _expected(column, self.manifest), _shown(value))


def _code(codes: Mapping[str, float], value: object) -> float | None:
    if value is None:
        return UNSEEN
    if not isinstance(value, str):
        return None
    return codes.get(value, UNSEEN if is_storable(value) else None)


def _expected(column: FeatureColumn, manifest: Manifest) -> str:
    if column.kind == "category":
        return "text without NUL characters or lone surrogates"
    if column.whole_up_to is not None:
        return f"a whole number of at most {column.whole_up_to:,.0f} either way"
    return "a finite number or null" if manifest.missing == "median" else "a finite number"


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and not -(2**64) < value < 2**64:
        return "an integer beyond the range of a float"
    return f"the text {clip(repr(value))}" if isinstance(value, str) else clip(repr(value))


def _codes(column: FeatureColumn) -> dict[str, float] | None:
    if column.kind == "number":
        return None
    return {category: float(code) for code, category in enumerate(column.categories)}


def _load(graph: bytes) -> Any:
    try:
        return open_session(graph)
    except Exception as error:  # the runtime's errors share no base class
        raise GraphInvalid(f"the model's graph does not load: {clip(str(error), 200)}") from error


def _check(session: Any, manifest: Manifest) -> str:
    """The name of the graph's output, if the graph keeps the contract; tried on a row of zeros."""
    width, classes = len(manifest.features), len(manifest.classes)
    output, shape = ("prediction", (1,)) if manifest.task == "regression" else ("probabilities", (1, classes))
    for side, wanted, found in (
        ("input", "features", session.get_inputs()),
        ("output", output, session.get_outputs()),
    ):
        facts = [(value.name, value.type) for value in found]
        if facts != [(wanted, "tensor(double)")]:
            raise GraphInvalid(f"expected one {side} {wanted!r} of tensor(double), found {facts}")
    try:
        answer = session.run([output], {"features": np.zeros((1, width))})[0]
    except Exception as error:  # the runtime's errors share no base class
        raise GraphInvalid(f"the graph does not run on {width} features: {clip(str(error), 200)}") from error
    if answer.shape != shape:
        raise GraphInvalid(f"expected {output!r} of shape {shape} for one row, found {answer.shape}")
    return output
