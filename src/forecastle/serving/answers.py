"""Answers that were given before: the same question to the same version of a model need not be computed again."""

from collections import OrderedDict
from typing import TypeAlias

import msgspec

from forecastle.registry.models import Model
from forecastle.registry.predictor import Matrix, Output

#: A model's id, not its graph: two versions may share a graph and yet differ in what its answers mean.
Key: TypeAlias = tuple[str, bytes]


class Answer(msgspec.Struct, frozen=True):
    """What a model says about one row."""

    value: float | str
    probabilities: tuple[float, ...] = ()
    """In the order of the manifest's classes; empty for a regression."""


class Answers:
    """The last `capacity` answers, most recently used last."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[Key, Answer] = OrderedDict()  # a dict takes ever longer to find its first entry

    def recall(self, key: Key) -> Answer | None:
        """The answer that was kept, if it still is."""
        answer = self._held.get(key)
        if answer is not None:
            self._held.move_to_end(key)
        return answer

    def keep(self, key: Key, answer: Answer) -> None:
        """Keep an answer, and let go of the one that was not used for longest."""
        self._held[key] = answer
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)


def keys(model: Model, matrix: Matrix) -> list[Key]:
    """One key per row of `matrix`."""
    return [(model.id, row.tobytes()) for row in matrix]


def read_output(output: Output) -> list[Answer]:
    """One answer per row of a predictor's output."""
    if output.probabilities is None:
        return [Answer(value) for value in output.values]
    rows = output.probabilities.tolist()
    return [Answer(value, tuple(row)) for value, row in zip(output.values, rows, strict=True)]
