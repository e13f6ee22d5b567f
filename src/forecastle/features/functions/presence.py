"""Where a series has values: nearly always from some place on, so that is what is kept of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecastle.features.functions.declare import Values
from forecastle.features.functions.kernels import finite

_HEAD = 65_536


@dataclass(frozen=True, slots=True)
class Presence:
    """Where a series of `size` has values: wherever `mask` says, without one from `first` on."""

    size: int
    first: int = 0
    mask: NDArray[np.bool_] | None = None

    @property
    def complete(self) -> bool:
        """Whether no value is missing."""
        return self.mask is None and self.first == 0

    def places(self) -> NDArray[np.bool_]:
        """Of each place, whether it has a value."""
        return np.arange(self.size) >= self.first if self.mask is None else self.mask

    def bits(self) -> NDArray[np.uint8]:
        """The same, eight places a byte, the first in the lowest bit."""
        if self.mask is not None:
            return np.packbits(self.mask, bitorder="little")
        bits = np.full((self.size + 7) // 8, 0xFF, dtype=np.uint8)
        whole, rest = divmod(self.first, 8)
        bits[:whole] = 0
        if rest:
            bits[whole] = 0xFF << rest & 0xFF
        return bits


def settled(values: Values) -> tuple[Values, Presence]:
    """The values with infinities made missing, and where there are others."""
    series = np.atleast_1d(values)
    first = int(np.isfinite(series[:_HEAD]).argmax()) if series.size else 0
    if finite(series[first:]) and not np.isinf(series[:first]).any():
        return values, Presence(series.size, first)
    known = np.isfinite(series)
    if np.isinf(series[~known]).any():
        values = np.where(np.isfinite(values), values, np.nan)
    return values, Presence(series.size, mask=known)


def settled_recursion(values: Values) -> tuple[Values, Presence]:
    """The same of a recursion: where its last value is finite, all are from the first on."""
    first = int(np.isfinite(values[:_HEAD]).argmax()) if values.size else 0
    if values.size and np.isfinite(values[first]) and np.isfinite(values[-1]):
        return values, Presence(values.size, first)
    return settled(values)


def together(presences: Iterable[Presence]) -> NDArray[np.bool_] | None:
    """Where all of them have values; None when nothing is missing."""
    masks = [each.places() for each in presences if not each.complete]
    return np.logical_and.reduce(masks) if masks else None
