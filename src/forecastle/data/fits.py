"""How well a way of reading fits the texts of a column."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Found:
    """A value and its row, from 0."""

    row: int
    value: str


@dataclass(slots=True)
class Fit:
    """Counts of the texts that can be read so, and of those that cannot."""

    fits: int = 0
    misses: int = 0
    first_miss: Found | None = None

    @property
    def alive(self) -> bool:
        """It may still be what is meant."""
        return self.misses <= self.fits

    @property
    def complete(self) -> bool:
        """All can be read so."""
        return self.fits > 0 and not self.misses

    def miss(self, count: int, first: Found) -> None:
        """Count some that cannot, of which this is the first."""
        self.misses += count
        self.first_miss = self.first_miss or first


def matched(texts: pl.Series, patterns: Mapping[str, str]) -> set[str]:
    """The names of the patterns that at least one of `texts` (String) matches."""
    if not patterns:
        return set()
    found = texts.to_frame().select(pl.first().str.contains(text).any().alias(name) for name, text in patterns.items())
    return {name for name, some in found.row(0, named=True).items() if some}
