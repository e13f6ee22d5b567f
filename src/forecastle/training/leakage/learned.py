"""What a fit has learned, piece by piece, so that two fits can be held side by side."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from forecastle.training.algorithms.fitted import Fitted
from forecastle.training.fitting import FittedRows
from forecastle.training.graphs import GraphBuilder
from forecastle.training.preprocess import Preprocessor
from forecastle.training.study import Study

Piece: TypeAlias = object
"""A number, a text, an array, or nothing."""

_SPELLED_OUT = frozenset({"preprocessor", "seen", "classes"})
"""Parts of what was learned that `pieces` names itself: by feature, and by the label of a class, not its code."""


def pieces(fitted: FittedRows, study: Study) -> dict[str, Piece]:
    """States of fitted features, categories, scales, classes and the model, by name."""
    names, learned = study.plan.names, fitted.learned
    found: dict[str, Piece] = {
        f"{state}: {name}": value for state, values in fitted.states.items() for name, value in values.items()
    }
    for name, seen in zip(names, fitted.categories, strict=True):
        if seen is not None:
            found[f"categories of {name}"] = ", ".join(seen)
    found["features kept"] = ", ".join(names[column] for column in np.unique(learned.preprocessor.sources))
    found |= _scales(learned.preprocessor, names)
    if learned.classes:
        found["classes"] = ", ".join(study.samples.classes[code] for code in learned.seen)
    for field in fields(learned):
        if field.name not in _SPELLED_OUT:
            found |= dict(_flat(getattr(learned, field.name), field.name))
    return found


def first_difference(one: Piece, other: Piece) -> tuple[Piece, Piece] | None:
    """The first values that differ in any bit, None where nothing does."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape:
        pairs = zip(one.reshape(-1).tolist(), other.reshape(-1).tolist(), strict=True)
        return next(((left, right) for left, right in pairs if repr(left) != repr(right)), None)
    return None if repr(one) == repr(other) else (one, other)


def _scales(preprocessor: Preprocessor, names: tuple[str, ...]) -> Iterator[tuple[str, Piece]]:
    numbers = [names[column] for column in preprocessor.numbers]
    for field in fields(preprocessor):
        value = getattr(preprocessor, field.name)
        if field.name != "numbers" and isinstance(value, np.ndarray) and len(value) == len(numbers):
            yield from ((f"{field.name} of {name}", float(entry)) for name, entry in zip(numbers, value, strict=True))
        else:
            yield field.name, value


def _flat(value: object, name: str) -> Iterator[tuple[str, Piece]]:
    """The numbers, texts and arrays inside a value; of a fitted algorithm its graph, which is all of it."""
    if hasattr(value, "emit") and hasattr(value, "importances"):
        fitted = cast("Fitted", value)
        yield f"{name} model", _digest(fitted)
        yield from ((f"{name} {method}", weights) for method, weights in fitted.importances().items())
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _flat(getattr(value, field.name), f"{name} {field.name}")
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(entry, f"{name} {key}")
    elif value is None or isinstance(value, bool | int | float | str | np.ndarray):
        yield name, value


def _digest(fitted: Fitted) -> str:
    graph = GraphBuilder()
    fitted.emit(graph, "columns")
    digest = hashlib.sha256()
    parts: list[Any] = [*graph.nodes, *graph.constants]
    for part in parts:
        digest.update(part.SerializeToString(deterministic=True))
    return digest.hexdigest()[:16]
