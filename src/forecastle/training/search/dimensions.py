"""Reading a space: nested or dotted fields, each with a list of values or a range."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from forecastle.errors import FieldProblem, clip
from forecastle.training.algorithms import catalogue
from forecastle.training.algorithms.catalogue import Hyperparameter
from forecastle.training.documents import explain
from forecastle.training.errors import BadRecipe
from forecastle.training.fields import Part, Switch
from forecastle.training.recipe import Recipe
from forecastle.training.search.space import HYPERPARAMETERS, Choice, Dimension, Range
from forecastle.wording import suggest

SPACE = "search.space"
FIXED = frozenset({"name", "parent", "tags"})
MAX_VALUES = 1_000
VALUES = "a list of values"
VALUES_OR_RANGE = "a list of values, or a table with low and high"

LARGEST = 10**15


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise PydanticCustomError("number", f"a number from -{LARGEST:g} to {LARGEST:g}")
    return value


Number = Annotated[Any, BeforeValidator(_number)]


class RangePart(Part):
    """A range in a document."""

    low: Number
    high: Number
    log: Switch = False
    step: Annotated[Number, Field(gt=0)] | None = None


def read(space: Mapping[str, Any], *, ranges: bool) -> tuple[Dimension, ...]:
    """The dimensions of a space in the order of its document.

    Args:
        space: fields, nested or with dots in their names.
        ranges: whether a range is possible, or values must be listed.

    Raises:
        BadRecipe: a field is unknown or has nothing to choose from; each is named.
    """
    problems: list[FieldProblem] = []
    found = []
    for field, given in _flat(space):
        try:
            found.append(_dimension(field, given, ranges=ranges))
        except BadRecipe as error:
            problems += error.problems
    problems += _overlaps([dimension.field for dimension in found])
    if problems:
        raise BadRecipe(problems=problems)
    return tuple(found)


def _flat(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in space.items():
        field = f"{prefix}{name}"
        if isinstance(value, Mapping) and not value.keys() & RangePart.model_fields.keys():
            yield from _flat(value, f"{field}.")
        else:
            yield field, value


def _dimension(field: str, given: object, *, ranges: bool) -> Dimension:
    algorithm, hyperparameter = _owner(field)
    if isinstance(given, list | tuple):
        return Choice(field, _values(field, given), algorithm)
    if isinstance(given, Mapping) and ranges:
        return _range(field, given, algorithm, hyperparameter)
    expected = VALUES_OR_RANGE if ranges else f"{VALUES} for a grid"
    raise BadRecipe.at(f"{SPACE}.{clip(field)}", expected=expected, found=given)


def _owner(field: str) -> tuple[str | None, Hyperparameter | None]:
    """The algorithm that a field belongs to alone, and which of its hyperparameters it is."""
    first, *rest = field.split(".")
    known = [name for name in Recipe.model_fields if name not in FIXED]
    if first not in known:
        expected = f"one of {', '.join(known)}{suggest(first, known)}"
        raise BadRecipe.at(f"{SPACE}.{clip(field)}", expected=expected, found="a field that no search can vary")
    if first != HYPERPARAMETERS or len(rest) < 2:
        return None, _shared(rest[0]) if first == HYPERPARAMETERS and rest else None
    if rest[0] not in catalogue.ALGORITHMS:
        names = catalogue.ALGORITHMS
        expected = f"{HYPERPARAMETERS}.ALGORITHM.NAME with one of {', '.join(names)}{suggest(rest[0], names)}"
        raise BadRecipe.at(f"{SPACE}.{clip(field)}", expected=expected, found=rest[0])
    own = {entry.name: entry for entry in catalogue.ALGORITHMS[rest[0]].hyperparameters}
    name = ".".join(rest[1:])
    if name not in own:
        expected = f"one of {', '.join(own)} for {rest[0]}{suggest(name, own)}"
        raise BadRecipe.at(f"{SPACE}.{clip(field)}", expected=expected, found="an unknown name")
    return rest[0], own[name]


def _shared(name: str) -> Hyperparameter | None:
    """A hyperparameter of that name; algorithms that share a name mean the same kind of number."""
    entries = (entry for algorithm in catalogue.ALGORITHMS.values() for entry in algorithm.hyperparameters)
    return next((entry for entry in entries if entry.name == name), None)


def _values(field: str, given: Sequence[Any]) -> tuple[Any, ...]:
    if not 1 <= len(given) <= MAX_VALUES:
        raise BadRecipe.at(f"{SPACE}.{clip(field)}", expected=f"1 to {MAX_VALUES:,} values", found=len(given))
    written = [json.dumps(value, sort_keys=True, default=str) for value in given]
    for number, text in enumerate(written):
        if text in written[:number]:
            raise BadRecipe.at(f"{SPACE}.{clip(field)}.{number}", expected="each value once", found=given[number])
    return tuple(given)


def _range(field: str, given: Mapping[str, Any], algorithm: str | None, hyperparameter: Hyperparameter | None) -> Range:
    place = f"{SPACE}.{clip(field)}"
    try:
        part = RangePart.model_validate(given)
    except ValidationError as error:
        fields = list(RangePart.model_fields)
        raise BadRecipe(problems=explain(error, fields=lambda _: fields, under=place)) from error
    if part.low >= part.high:
        raise BadRecipe.at(f"{place}.high", expected=f"more than low, which is {part.low:g}", found=part.high)
    if part.log and part.low <= 0:
        raise BadRecipe.at(f"{place}.low", expected="more than 0 on a logarithmic scale", found=part.low)
    if part.log and part.step is not None:
        raise BadRecipe.at(f"{place}.step", expected="nothing on a logarithmic scale", found=part.step)
    whole = _is_whole(part, hyperparameter)
    if whole and part.step is not None and part.step != int(part.step):
        raise BadRecipe.at(f"{place}.step", expected="a whole number", found=part.step)
    _check_bounds(place, part, hyperparameter)
    whole_range = Range(field, part.low, part.high, whole, part.log, part.step, algorithm)
    if part.step is None or whole_range.size is None:
        return whole_range
    return replace(whole_range, high=round(part.low + part.step * (whole_range.size - 1), catalogue.DIGITS))


def _is_whole(part: RangePart, hyperparameter: Hyperparameter | None) -> bool:
    if hyperparameter is not None:
        return hyperparameter.kind == "integer"
    return isinstance(part.low, int) and isinstance(part.high, int) and not isinstance(part.step, float)


def _check_bounds(place: str, part: RangePart, hyperparameter: Hyperparameter | None) -> None:
    if hyperparameter is None:
        return
    for name in ("low", "high"):
        try:
            hyperparameter.read(getattr(part, name))
        except ValueError as error:
            raise BadRecipe.at(f"{place}.{name}", expected=str(error), found=getattr(part, name)) from error


def _overlaps(fields: Sequence[str]) -> Iterator[FieldProblem]:
    for field in fields:
        inner = [other for other in fields if other.startswith(f"{field}.")]
        if inner:
            yield FieldProblem(f"{SPACE}.{field}", f"not both it and {inner[0]}", "both")
