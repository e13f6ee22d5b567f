"""The space of a search: which fields of a recipe vary, and over what. Pure."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from forecastle.training.algorithms import catalogue

Parameters: TypeAlias = "dict[str, Any]"
"""What one trial chose: dotted field → value. `hyperparameters.lightgbm.num_leaves` belongs to one algorithm."""

HYPERPARAMETERS = "hyperparameters"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values."""

    field: str
    values: tuple[Any, ...]
    algorithm: str | None = None
    """The only algorithm that has it; None if it is part of every trial."""

    @property
    def size(self) -> int | None:
        """How many values there are."""
        return len(self.values)

    def draw(self, random: Random) -> Any:
        """One of the values, each as likely."""
        return random.choice(self.values)


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` to `high`, both included; on a logarithmic scale, or in steps from `low` on."""

    field: str
    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None
    algorithm: str | None = None

    @property
    def size(self) -> int | None:
        """How many values there are; None if they are not counted."""
        step = self.step or (1 if self.whole else None)
        return None if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    def draw(self, random: Random) -> Any:
        """A number, uniform on its scale."""
        if self.log:
            return self.read(math.exp(random.uniform(math.log(self.low), math.log(self.high))))
        if self.size is None:
            return self.read(random.uniform(self.low, self.high))
        return self.read(self.low + (self.step or 1) * random.randrange(self.size))

    def read(self, value: float) -> int | float:
        """The value of the range that is nearest to a number."""
        bounded = min(max(value, self.low), self.high)
        return round(bounded) if self.whole else round(bounded, catalogue.DIGITS)


Dimension: TypeAlias = Choice | Range


@dataclass(frozen=True, slots=True)
class Space:
    """The dimensions in the order in which they were given, and the algorithm of trials that do not choose one."""

    dimensions: tuple[Dimension, ...]
    algorithm: str | None

    @property
    def common(self) -> tuple[Dimension, ...]:
        """Those that every trial has."""
        return tuple(dimension for dimension in self.dimensions if dimension.algorithm is None)

    def own(self, common: Mapping[str, Any]) -> tuple[Dimension, ...]:
        """Those of the algorithm that these parameters choose."""
        algorithm = common.get("algorithm", self.algorithm)
        return tuple(each for each in self.dimensions if each.algorithm is not None and each.algorithm == algorithm)

    @property
    def algorithms(self) -> tuple[str | None, ...]:
        """Those that trials may have."""
        chosen = next((each for each in self.common if each.field == "algorithm"), None)
        return chosen.values if isinstance(chosen, Choice) else (self.algorithm,)

    @property
    def size(self) -> int | None:
        """How many different trials there are; None if they are not counted."""
        common = _product([each for each in self.common if each.field != "algorithm"])
        own = [_product(self.own({"algorithm": algorithm})) for algorithm in self.algorithms]
        if common is None or None in own:
            return None
        return common * sum(size for size in own if size is not None)

    def grid(self) -> Iterator[Parameters]:
        """Every combination; the last dimension varies fastest. There are only choices."""
        for common in _combinations(self.common):
            for own in _combinations(self.own(common)):
                yield common | own

    def draw(self, random: Random) -> Parameters:
        """One trial, each dimension by itself."""
        parameters = {each.field: each.draw(random) for each in self.common}
        return parameters | {each.field: each.draw(random) for each in self.own(parameters)}


def apply(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's document with the chosen values in their fields."""
    changed = dict(document)
    for field, value in parameters.items():
        _put(changed, path_of(field), value)
    return changed


def path_of(field: str) -> tuple[str, ...]:
    """Where in a recipe the value of a dimension stands; which algorithm it belongs to is no part of that."""
    first, *rest = field.split(".")
    return (first, *rest[1:]) if first == HYPERPARAMETERS and len(rest) > 1 else (first, *rest)


_ALONE = {"target": "column", "split": "kind"}
"""Parts that may be given as one text, and which of their fields that is."""


def _put(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    first, *rest = path
    if not rest:
        document[first] = value
        return
    part = document.get(first)
    given = {_ALONE[first]: part} if isinstance(part, str) and first in _ALONE else part
    document[first] = dict(given) if isinstance(given, Mapping) else {}
    _put(document[first], rest, value)


def _product(dimensions: Sequence[Dimension]) -> int | None:
    sizes = [dimension.size for dimension in dimensions]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _combinations(dimensions: Sequence[Dimension]) -> Iterator[Parameters]:
    choices = [dimension for dimension in dimensions if isinstance(dimension, Choice)]
    for values in itertools.product(*(choice.values for choice in choices)):
        yield dict(zip((choice.field for choice in choices), values, strict=True))
