"""Targets: what a model predicts for a row, some rows ahead, and the way back to the target's own units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features.engine import Engine
from forecastle.features.errors import BadExpression, BadTarget
from forecastle.features.expressions import parse
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Values
from forecastle.features.nodes import Call, Column, Expression, spell, walk
from forecastle.features.table import Table, fit_to_table

TargetKind: TypeAlias = Literal["number", "category"]
Transform: TypeAlias = Literal["none", "log", "log_return", "pct_change", "up"]

TRANSFORMS: tuple[str, ...] = get_args(Transform)
MAX_HORIZON = 10_000
_NEEDS_FUTURE = frozenset({"log_return", "pct_change", "up"})


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """A target fitted to a table's schema."""

    tree: Expression
    transform: Transform
    horizon: int
    kind: TargetKind
    columns: tuple[str, ...]
    """Columns it is computed from; with horizon 0 they are hidden from the features."""

    @property
    def expression(self) -> str:
        """Canonical text with the table's own column names."""
        return spell(self.tree)


@dataclass(frozen=True, slots=True)
class Target:
    """The target of each of n rows of a frame."""

    values: Values | NDArray[np.object_]
    """Float64 with NaN where there is none (`up`: 1.0 or 0.0), or text labels with None."""
    current: Values | NDArray[np.object_]
    """The untransformed value known at the row; with horizon 0 the last one known before it."""
    label_rows: NDArray[np.int64]
    """Frame row the label is read from, -1 where there is none."""
    label_times: NDArray[np.datetime64] | None
    """Time of that row, NaT where there is none; None without a time column."""
    kind: TargetKind


def plan_target(
    expression: str,
    *,
    transform: str,
    horizon: int,
    schema: Mapping[str, pl.DataType],
    time: str | None,
    keys: tuple[str, ...],
) -> TargetPlan:
    """A target checked against a schema.

    Raises:
        BadTarget: the transform is unknown, the horizon out of range, or they do not fit each other or the column.
        BadExpression: the expression cannot be read or does not fit the schema.
    """
    if transform not in TRANSFORMS:
        raise BadTarget.at("target.transform", expected=" | ".join(TRANSFORMS), found=transform)
    if not 0 <= horizon <= MAX_HORIZON:
        raise BadTarget.at("target.horizon", expected=f"0 to {MAX_HORIZON:,} rows", found=horizon)
    if time is None and horizon:
        raise BadTarget.at("target.horizon", expected="0 for a table without a time column", found=horizon)
    if horizon == 0 and transform in _NEEDS_FUTURE:
        raise BadTarget.at("target.horizon", expected=f"1 or more with the transform {transform}", found=horizon)
    tree, kind = fit_to_table(expression, parse(expression), Table.of(schema, time=time, keys=keys))
    if kind == "category" and transform != "none":
        raise BadTarget.at("target.transform", expected=f"none for the category {spell(tree)}", found=transform)
    for node in walk(tree):
        if isinstance(node, Call) and CATALOGUE[node.function].mode == "fitted":
            raise BadExpression(expression, at=node.at, expected="nothing fitted in a target", found=node.function)
    columns = tuple(sorted({node.name for node in walk(tree) if isinstance(node, Column)}))
    return TargetPlan(tree, cast("Transform", transform), horizon, cast("TargetKind", kind), columns)


def compute_target(
    frame: pl.DataFrame,
    *,
    expression: str,
    transform: str,
    horizon: int,
    time: str | None,
    keys: tuple[str, ...],
) -> Target:
    """The target of each row of `frame`, which is sorted by time, then keys: `horizon` rows ahead within its key.

    Raises:
        BadTarget: as `plan_target`.
        BadExpression: as `plan_target`.
    """
    plan = plan_target(expression, transform=transform, horizon=horizon, schema=frame.schema, time=time, keys=keys)
    engine = Engine(frame, time, keys)
    label_rows = _rows_ahead(engine, horizon)
    label_times = None if time is None else _times_at(frame.get_column(time), label_rows)
    if plan.kind == "category":
        labels = _labels(engine, plan.tree)
        last = labels if horizon else _previous_labels(engine, plan.tree)
        return Target(_labels_at(labels, label_rows), last, label_rows, label_times, "category")
    now = engine.values(plan.tree)
    future = _values_at(now, label_rows)
    current = now if horizon else _previous(engine, now)
    return Target(_TRANSFORMED[plan.transform](future, current), current, label_rows, label_times, "number")


def invert(prediction: Values, current: Values, transform: str) -> Values:
    """Predictions in the target's own units; classes (`up`) and `none` are returned as they are."""
    match transform:
        case "log":
            return np.exp(prediction)
        case "log_return":
            return current * np.exp(prediction)
        case "pct_change":
            return current * (1.0 + prediction)
        case _:
            return prediction


def _log(values: Values) -> Values:
    return np.log(np.where(values > 0, values, np.nan))


def _up(future: Values, current: Values) -> Values:
    return np.where(np.isnan(future) | np.isnan(current), np.nan, (future >= current).astype(np.float64))


_TRANSFORMED: Mapping[Transform, Callable[[Values, Values], Values]] = {
    "none": lambda future, _: future,
    "log": lambda future, _: _log(future),
    "log_return": lambda future, current: _log(future / np.where(current > 0, current, np.nan)),
    "pct_change": lambda future, current: future / np.where(current == 0, np.nan, current) - 1.0,
    "up": _up,
}


def _rows_ahead(engine: Engine, horizon: int) -> NDArray[np.int64]:
    """For each frame row the row `horizon` rows later of the same key, -1 where there is none."""
    groups = engine.arranged(engine.keys, roles=False)
    places = np.arange(groups.size, dtype=np.int64)
    ends = np.repeat(groups.bounds[1:], np.diff(groups.bounds))
    rows = places if groups.rows is None else groups.rows
    ahead = np.full(groups.size, -1, dtype=np.int64)
    inside = places + horizon < ends
    ahead[inside] = rows[places[inside] + horizon]
    return ahead if groups.answers is None else ahead[groups.answers]


def _times_at(times: pl.Series, rows: NDArray[np.int64]) -> NDArray[np.datetime64]:
    instants = times.dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy()
    taken: NDArray[np.datetime64] = instants[rows]
    taken[rows < 0] = np.datetime64("NaT")
    return taken


def _values_at(values: Values, rows: NDArray[np.int64]) -> Values:
    return np.where(rows < 0, np.nan, values[rows])


def _labels_at(labels: NDArray[np.object_], rows: NDArray[np.int64]) -> NDArray[np.object_]:
    taken = labels[rows]
    taken[rows < 0] = None
    return taken


def _previous(engine: Engine, values: Values) -> Values:
    if engine.time is None:
        return np.full(len(values), np.nan)
    groups = engine.arranged(engine.keys, roles=False)
    return groups.gather(groups.last_before(groups.spread(values)))


def _previous_labels(engine: Engine, tree: Expression) -> NDArray[np.object_]:
    if engine.time is None:
        return np.full(engine.frame.height, None, dtype=object)
    return _labels(engine, Call("before", (tree,)))


def _labels(engine: Engine, tree: Expression) -> NDArray[np.object_]:
    return np.array(engine.labels(tree).to_list(), dtype=np.object_)
