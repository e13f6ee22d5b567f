"""Labels as numbers: values as they are, classes as codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecastle.features.targets import Target, Transform
from forecastle.training.arrays import Floats
from forecastle.training.errors import BadRecipe

MAX_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Labels:
    """The label of each row of a frame, NaN where there is none."""

    values: Floats
    """The value itself, or the code of its class."""
    classes: tuple[str, ...]
    """Class labels by code, sorted; empty for a regression."""
    current: Floats
    """The value known at the row, untransformed; NaN where there is none, and throughout for text."""
    unchanged: Floats | None
    """The label if that value stayed; None if that means nothing."""


def read_labels(target: Target, transform: Transform, *, as_classes: bool) -> Labels:
    """The labels of a computed target.

    Raises:
        BadRecipe: as classes, there is but one or there are more than 100.
    """
    current = np.full(len(target.label_rows), np.nan) if target.kind == "category" else _numbers(target.current)
    if not as_classes:
        return Labels(_numbers(target.values), (), current, _unchanged_value(current, transform))
    classes = _classes(target.values)
    codes = {value: float(code) for code, value in enumerate(classes)}
    return Labels(
        values=_codes(target.values, codes),
        classes=tuple(map(_text, classes)),
        current=current,
        unchanged=None if transform == "up" else _codes(target.current, codes),
    )


def _classes(values: NDArray[Any]) -> list[Any]:
    classes = sorted({value for value in values.tolist() if value is not None and not _is_nan(value)})
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise BadRecipe.at("target.column", expected=f"2 to {MAX_CLASSES} classes", found=f"{len(classes):,}")
    return classes


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _codes(values: NDArray[Any], codes: Mapping[Any, float]) -> Floats:
    return np.array([codes.get(value, np.nan) for value in values.tolist()])


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def _numbers(values: NDArray[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _unchanged_value(current: Floats, transform: Transform) -> Floats:
    if transform == "none":
        return current
    if transform == "log":
        return np.log(np.where(current > 0, current, np.nan))
    return np.where(np.isnan(current), np.nan, 0.0)
