"""How rows belong together: the rows of each group side by side, in the order of time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features.functions.declare import Values
from forecastle.features.functions.memory import empty

Places = NDArray[np.int64]
Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True)
class Groups:
    """An arrangement of a frame's rows: group after group, each oldest first.

    With roles, a row has one place for every role, each in the group of the entity that plays it.
    """

    rows: Places | None
    """Frame row at each place; None when places are the frame's rows."""
    bounds: Places
    """Where each group starts, and where the last one ends."""
    answers: Places | None
    """Place that answers for each frame row, -1 where a row belongs to no group; None when places are rows."""
    times: Places | None
    """Time at each place, in microseconds."""
    role: Places | None = None
    """Role at each place."""
    label: str = ""
    """How an expression asks for this arrangement; empty for the table's own keys."""

    @property
    def size(self) -> int:
        """Number of places."""
        return int(self.bounds[-1])

    @property
    def is_one(self) -> bool:
        """Whether all rows belong to one group."""
        return len(self.bounds) == 2

    def spread(self, values: NDArray[Element]) -> NDArray[Element]:
        """A value for each frame row, arranged by places."""
        return values if self.rows is None else values[self.rows]

    def gather(self, values: Values) -> Values:
        """A value for each place, arranged by frame rows."""
        if self.answers is None:
            return values
        if len(values) == 0:
            return np.full(len(self.answers), np.nan)
        result = values[self.answers]
        result[self.answers < 0] = np.nan
        return result

    @cached_property
    def starts(self) -> Places:
        """Where the group of each place starts."""
        return np.repeat(self.bounds[:-1], np.diff(self.bounds))

    @cached_property
    def is_series(self) -> bool:
        """Whether no two rows of a group share a time."""
        if self.times is None or self.size == 0:
            return True
        same = self.times[1:] == self.times[:-1]
        same[self.bounds[1:-1] - 1] = False
        return not same.any()

    @cached_property
    def simultaneous(self) -> Places:
        """The first place of the same group and time."""
        places = np.arange(self.size, dtype=np.int64)
        if self.times is None or self.size == 0:
            return places
        new = np.ones(self.size, dtype=np.bool_)
        new[1:] = self.times[1:] != self.times[:-1]
        new[self.bounds[:-1]] = True
        return np.maximum.accumulate(np.where(new, places, 0))

    def back(self, values: Values, rows: int) -> Values:
        """The value `rows` rows before, counted from before the first simultaneous row of the group."""
        if self.is_series:
            return self._shifted(values, rows)
        source = self.simultaneous - rows
        result = np.full(self.size, np.nan)
        inside = source >= self.starts
        result[inside] = values[source[inside]]
        return result

    def against(self, formula: np.ufunc, values: Values, rows: int) -> Values:
        """`formula` of each value and the one that `back` gives; an array of its own."""
        if not (self.is_series and self.is_one and 0 < rows < self.size):
            earlier = self.back(values, rows)
            return np.asarray(formula(values, earlier, out=earlier))
        result = empty(self.size)
        result[:rows] = np.nan
        formula(values[rows:], values[:-rows], out=result[rows:])
        return result

    def _shifted(self, values: Values, rows: int) -> Values:
        result = empty(self.size)
        result[rows:] = values[: max(self.size - rows, 0)]
        result[:rows] = np.nan
        for start in self.bounds[1:-1].tolist():
            result[start : start + rows] = np.nan
        return result

    def last_before(self, values: Values) -> Values:
        """The last value of earlier time in the group that is not missing."""
        places = np.arange(self.size, dtype=np.int64)
        known = np.maximum.accumulate(np.where(np.isnan(values), -1, places)) if self.size else places
        before = self.simultaneous - 1
        source = np.where(before >= 0, known[before], -1)
        result = np.full(self.size, np.nan)
        inside = source >= self.starts
        result[inside] = values[source[inside]]
        return result

    def apply(
        self,
        kernel: Callable[..., tuple[Values, ...]],
        inputs: Sequence[Values],
        observed: NDArray[np.bool_] | None,
    ) -> tuple[Values, ...]:
        """Runs `kernel` on each group's inputs at the `observed` places, where none of them is missing; None is all.

        Other places get a missing result, and leave no trace in the results of these.
        """
        if observed is None and self.is_one:
            return kernel(*inputs)
        results: tuple[Values, ...] | None = None
        for start, stop in zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True):
            part = slice(start, stop) if observed is None else _places(observed, start, stop)
            outcome = kernel(*(values[part] for values in inputs))
            if results is None:
                results = tuple(np.full(self.size, np.nan) for _ in outcome)
            for target, values in zip(results, outcome, strict=True):
                target[part] = values
        return results if results is not None else kernel(*inputs)


def whole(size: int, times: Places | None) -> Groups:
    """All rows as one group."""
    return Groups(None, np.array([0, size], dtype=np.int64), None, times)


def by_columns(frame: pl.DataFrame, columns: Sequence[str], times: Places | None, *, default: bool = False) -> Groups:
    """One group for each combination of values.

    A row with a missing one belongs to no group, except by the table's own keys, the `default`.
    """
    labels = frame.select(columns)
    rows = np.arange(frame.height, dtype=np.int64)
    if default:
        return _arrange(labels, rows, times, keep_missing=True)
    return _arrange(labels, rows, times, label=f" over {columns}")


def by_roles(frame: pl.DataFrame, columns: Sequence[str], times: Places | None) -> Groups:
    """One group for each entity named in any of `columns`; a row is answered for its first."""
    entities = np.stack([_texts(frame[name]) for name in columns], axis=1).reshape(-1)
    labels = pl.DataFrame({"entity": entities}, schema={"entity": pl.String})
    rows = np.repeat(np.arange(frame.height, dtype=np.int64), len(columns))
    return _arrange(labels, rows, times, roles=len(columns), label=f" over either {columns}")


def _arrange(
    labels: pl.DataFrame,
    rows: Places,
    times: Places | None,
    *,
    roles: int = 1,
    keep_missing: bool = False,
    label: str = "",
) -> Groups:
    """Groups of equal `labels`, of which there is one for each (row, role); `rows` are their frame rows."""
    placed = labels.with_row_index("place of the label")
    placed = placed if keep_missing else placed.drop_nulls(labels.columns)
    grouped = placed.group_by(labels.columns, maintain_order=True).agg("place of the label")["place of the label"]
    order = grouped.explode(empty_as_null=False).to_numpy().astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(grouped.list.len().to_numpy())]).astype(np.int64)
    first_role = np.flatnonzero(order % roles == 0)
    answers = np.full(len(rows) // roles, -1, dtype=np.int64)
    answers[rows[order[first_role]]] = first_role
    return Groups(
        rows=rows[order],
        bounds=bounds,
        answers=answers,
        times=None if times is None else times[rows[order]],
        role=order % roles if roles > 1 else None,
        label=label,
    )


def _texts(series: pl.Series) -> NDArray[np.object_]:
    return series.cast(pl.String).to_numpy().astype(object)


def _places(observed: NDArray[np.bool_], start: int, stop: int) -> slice | Places:
    """Observed places of a group, as a slice where they are contiguous."""
    places = np.flatnonzero(observed[start:stop]) + start
    if len(places) == 0:
        return slice(start, start)
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else places
