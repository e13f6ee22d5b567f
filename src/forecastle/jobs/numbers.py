"""Which numbers of a growing sequence have been seen."""

from collections.abc import Iterable
from dataclasses import dataclass, field

PATIENCE_S = 60.0
MAX_GAP = 1000


@dataclass(slots=True)
class Numbers:
    """The greatest number seen, and the smaller ones that may still come.

    A database gives a row its number before it commits the row, so a greater number can show first. A number that does
    not come within a minute belongs to a row that was rolled back.
    """

    last: int = 0
    _missing: dict[int, float] = field(default_factory=dict)
    """Number → when it was missed first."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers below the last that may still come."""
        return tuple(self._missing)

    def see(self, numbers: Iterable[int], *, now_s: float) -> None:
        """Take note of numbers that are there."""
        for number in sorted(numbers):
            if number > self.last:
                skipped = range(max(self.last + 1, number - MAX_GAP), number)
                self._missing |= dict.fromkeys(skipped, now_s)
                self.last = number
            else:
                self._missing.pop(number, None)
        for number, since_s in tuple(self._missing.items()):
            if now_s - since_s > PATIENCE_S:
                del self._missing[number]
