"""Sums, moments and extremes of every run of `window` neighbours, each exact on its own.

A running sum that adds the new and subtracts the old value drifts: what it says today depends on every value it ever
held. Here a run is put together from two neighbouring shorter ones, down to runs of 1 (as in exponentiation by
squaring), so a result depends on the values of its run and on nothing else, bit for bit, at O(log window) array
operations. Moments are merged with the pairwise update of Chan, Golub and LeVeque (1979), which keeps the precision of
the two-pass formula.

What is asked for most is compiled (`kernels`), where there are compiled kernels, and has the same bits.

All results are arrays of n - window + 1 float64, one for each complete run of n values.
"""

import math
from collections.abc import Callable

import numpy as np

from forecastle.features.functions.declare import Values
from forecastle.features.functions.kernels import Kernels, kernels

_ROUNDING = 8 * np.finfo(np.float64).eps


class Scratch:
    """Arrays that are used again for the next piece of a series.

    Asking the system for large ones anew takes longer than what is computed in them.
    """

    __slots__ = ("_arrays", "_taken")

    def __init__(self) -> None:
        self._arrays: list[Values] = []
        self._taken = 0

    def take(self, size: int) -> Values:
        """An array that nobody else has until `clear`."""
        if self._taken == len(self._arrays):
            self._arrays.append(np.empty(size))
        elif len(self._arrays[self._taken]) < size:
            self._arrays[self._taken] = np.empty(size)
        self._taken += 1
        return self._arrays[self._taken - 1][:size]

    def clear(self) -> None:
        """Take all arrays back."""
        self._taken = 0


class Runs:
    """The runs of a piece of a series; what lengths have in common is computed once.

    Results are shared, and lie in `scratch` if there is one: whoever asks must neither write into them nor keep them.
    """

    __slots__ = (
        "_derived", "_deviations", "_highest", "_lowest", "_means", "_noise", "_places", "_scratch", "_squares",
        "_sums", "values",
    )  # fmt: skip

    def __init__(self, values: Values, scratch: Scratch | None = None) -> None:
        self.values = np.ascontiguousarray(values)
        self._scratch = scratch
        self._sums = {1: self.values}
        self._means: dict[int, Values] = {}
        self._squares: dict[int, Values] = {}
        self._lowest = {1: self.values}
        self._highest = {1: self.values}
        self._deviations: dict[tuple[int, int], Values] = {}
        self._derived: dict[Callable[[Values], Values], Runs] = {}
        self._noise: float | None = None
        self._places: dict[tuple[str, int], Values] = {}

    def give_place(self, statistic: str, window: int, place: Values) -> None:
        """Where the results of a statistic may lie when it is asked for, by its method's name."""
        self._places[statistic, window] = place

    def of(self, change: Callable[[Values], Values]) -> "Runs":
        """The runs of what `change` makes of the values."""
        known = self._derived.get(change)
        if known is None:
            known = self._derived[change] = Runs(change(self.values), self._scratch)
        return known

    def sums(self, window: int) -> Values:
        """Sum of each run."""
        known = self._sums.get(window)
        if known is None:
            first, second = _parts(window)
            left, right = self.sums(first), self.sums(second)[first:]
            known = self._sums[window] = np.add(left[: len(right)], right, out=self._room(window))
        return known

    def means(self, window: int) -> Values:
        """Mean of each run."""
        known = self._means.get(window)
        if known is None:
            known = self._means[window] = self._averaged(window)
        return known

    def lowest(self, window: int) -> Values:
        """Least value of each run."""
        return self._extremes(np.minimum, self._lowest, window)

    def highest(self, window: int) -> Values:
        """Greatest value of each run."""
        return self._extremes(np.maximum, self._highest, window)

    def deviations(self, window: int, ddof: int = 1) -> Values:
        """Standard deviation of each run; one below the rounding of its mean is 0."""
        known = self._deviations.get((window, ddof))
        if known is None:
            known, least = self._rooted(window, max(window - ddof, 1))
            if not least > self._most_noise():
                known *= known > np.abs(self.means(window)) * _ROUNDING
            self._deviations[window, ddof] = known
        return known

    def _room(self, window: int) -> Values | None:
        """Memory for a result of each run; None leaves it to NumPy."""
        return None if self._scratch is None else self._scratch.take(len(self.values) - window + 1)

    def _averaged(self, window: int) -> Values:
        if compiled := self._compiled(window):
            out = self._memory("means", window)
            compiled.means(self.values, window, self._space(compiled, window), out)
            return out
        return np.divide(self.sums(window), window, out=self._room(window))

    def _rooted(self, window: int, divisor: int) -> tuple[Values, float]:
        """Roots of the centred sums of squares over `divisor`, and the least of them."""
        if compiled := self._compiled(window):
            out = self._memory("deviations" if divisor < window else "", window)
            return out, compiled.deviations(self.values, window, divisor, self._space(compiled, window), out)
        roots = np.divide(self._squared(window), divisor, out=self._room(window))
        np.sqrt(roots, out=roots)
        return roots, float(roots.min(initial=np.inf))

    def _compiled(self, window: int) -> Kernels | None:
        return kernels() if 1 < window <= len(self.values) else None

    def _memory(self, statistic: str, window: int) -> Values:
        if (place := self._places.pop((statistic, window), None)) is not None:
            return place
        room = self._room(window)
        return np.empty(len(self.values) - window + 1) if room is None else room

    def _space(self, compiled: Kernels, window: int) -> Values:
        """Memory to work in."""
        size = compiled.scratch(window)
        return np.empty(size) if self._scratch is None else self._scratch.take(size)

    def _most_noise(self) -> float:
        """More than the rounding of any run's mean."""
        if self._noise is None:
            greatest = np.maximum(self.values.max(initial=0.0), -self.values.min(initial=0.0))
            self._noise = 2 * _ROUNDING * float(greatest)
        return self._noise

    def _extremes(self, choose: np.ufunc, known: dict[int, Values], window: int) -> Values:
        """A value may be looked at twice, so two overlapping runs of a power of two cover any other."""
        found = known.get(window)
        if found is None:
            found = known[window] = self._extreme(choose, known, window)
        return found

    def _extreme(self, choose: np.ufunc, known: dict[int, Values], window: int) -> Values:
        if compiled := self._compiled(window):
            greatest = choose is np.maximum
            out = self._memory("highest" if greatest else "lowest", window)
            compiled.extremes(self.values, window, self._space(compiled, window), out, greatest=greatest)
            return out
        power = 1 << (window.bit_length() - 1)
        length = power if window > power else power // 2
        run, rest = self._extremes(choose, known, length), window - length
        result: Values = choose(run[: len(run) - rest], run[rest:], out=self._room(window))
        return result

    def _squared(self, window: int) -> Values:
        """Centred sum of squares of each run."""
        known = self._squares.get(window)
        if known is None:
            known = self._squares[window] = (
                self._merged_squares(*_parts(window)) if window > 1 else np.zeros(len(self.values))
            )
        return known

    def _merged_squares(self, first: int, second: int) -> Values:
        """Of runs that consist of one of `first` and one of `second` values."""
        window, right = first + second, self.sums(second)[first:]
        left = self.sums(first)[: len(right)]
        if first == second:
            squares: Values = np.subtract(right, left, out=self._room(window))
            squares *= squares
            squares *= 0.5 / first
        else:
            squares = _scaled_difference(left, first, right, second, out=self._room(window), spare=self._room(window))
            squares *= squares
        if first > 1:
            squares += self._squared(first)[: len(squares)]
        if second > 1:
            squares += self._squared(second)[first:]
        return squares


def co_moments(x: Values, y: Values, window: int) -> tuple[Values, Values, Values]:
    """Centred sums of squares of x and of y, and of their products, of each run."""
    count, covered, length = len(x) - window + 1, 0, 1
    run = [x, y, np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))]
    total = [np.zeros(count) for _ in run]
    while True:
        if window & length:
            total = _merge(total, covered, [values[covered : covered + count] for values in run], length)
            covered += length
        if covered == window:
            return total[2], total[3], total[4]
        run = _merge([values[:-length] for values in run], length, [values[length:] for values in run], length)
        length *= 2


def accumulate(term: Callable[[Values, int], Values], x: Values, window: int) -> Values:
    """Sum over each run, oldest value first, of `term(values, place)`, where `values` has one value of every run."""
    count = len(x) - window + 1
    total = np.zeros(count)
    for place in range(window):
        total += term(x[place : place + count], place)
    return total


def _parts(window: int) -> tuple[int, int]:
    """The lengths of the two neighbouring runs that a run is put together from: halves, or a rest and a power of 2."""
    power = 1 << (window.bit_length() - 1)
    return (window - power, power) if window > power else (window // 2, window // 2)


def _merge(a: list[Values], count_a: int, b: list[Values], count_b: int) -> list[Values]:
    """Sums of x and y, centred squares of x and y, and centred products, of two parts together."""
    merged = [left + right for left, right in zip(a, b, strict=True)]
    if count_a:
        dx = _scaled_difference(a[0], count_a, b[0], count_b)
        dy = _scaled_difference(a[1], count_a, b[1], count_b)
        merged[2] += dx * dx
        merged[3] += dy * dy
        merged[4] += dx * dy
    return merged


def _scaled_difference(
    sum_a: Values, count_a: int, sum_b: Values, count_b: int, *, out: Values | None = None, spare: Values | None = None
) -> Values:
    """Difference of two means, scaled so that products of it are the sum of squares between the two parts."""
    scale = math.sqrt(count_a * count_b / (count_a + count_b))
    difference: Values = np.multiply(sum_b, scale / count_b, out=out)
    difference -= np.multiply(sum_a, scale / count_a, out=spare)
    return difference
