"""A row as of a key and a time: the same numbers as computing the whole table, from what was known then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TypeAlias

import polars as pl

from forecastle.errors import BadInput, FieldProblem, clip
from forecastle.features.errors import BadExpression, NoSuchRow
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.calendar import microseconds
from forecastle.features.nodes import Call, Either, Expression, Over, children, walk
from forecastle.features.plan import FeaturePlan, States
from forecastle.features.table import Kind, plain

_PLACE = "place in the table"

Given: TypeAlias = float | int | bool | str | None


@dataclass(frozen=True, slots=True)
class RowAt:
    """One row, as it was known at a time."""

    features: dict[str, float | str | None]
    """By name; None where missing."""
    newest: datetime | None
    """Time of the newest row of the table that it is made from, aware; None for an event without a past."""
    widest_gap: timedelta | None
    """The longest that those rows ever kept one waiting for the next; of a single one, those of the whole table."""


def row_at(
    frame: pl.DataFrame,
    plan: FeaturePlan,
    states: States,
    *,
    key: Mapping[str, str],
    time: datetime,
    given: Mapping[str, Given] | None = None,
    event: bool = False,
) -> RowAt:
    """The features of one row, and how new what is known of it is.

    Of a series, the row is the key's last at or before `time`. Of an event, it is the key's row at exactly `time`
    with the hidden columns blanked; when there is none, a row is made up from key, time and `given`.

    Args:
        frame: the prepared table, sorted by time and keys.
        plan: what to compute; its table says which columns are time, keys and hidden.
        states: what the fitted features learned.
        key: a value for each key column.
        time: naive is UTC.
        given: for an event that is not in the table, values of its other columns that are known beforehand.
        event: whether rows are events that are predicted before they happen.

    Raises:
        BadInput: the plan has no time column, a key column is missing, or `given` does not fit the table.
        NoSuchRow: the key is unknown or has no row by then.
    """
    clock = plan.table.time
    if clock is None:
        raise BadInput.at("time", expected="the features themselves, since the table has no time column")
    moment = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    names = _key_columns(plan, key)
    own = _matches(names)
    known, made_up = frame.filter(pl.col(clock) <= moment), False
    if event:
        _refuse_unknown(frame, names)
        known, made_up = _with_event(known, plan, names, moment, given or {})
    elif given:
        raise BadInput.at("given", expected="nothing: the row is in the table", found=", ".join(given))
    known = known.with_row_index(_PLACE)
    row = known.filter(own).tail(1)
    if not row.height:
        raise _no_row(frame, clock, names, moment)
    concerning = _concerning(row, plan)
    history = known.filter(concerning)
    # Rows after this one of the same time are no part of its past, and cannot change it.
    place = int(history.get_column(_PLACE).search_sorted(row[_PLACE][0]))
    features = plan.compute(history.drop(_PLACE), states).row(place, named=True)
    times = frame.filter(concerning if made_up else own).get_column(clock)
    newest = _instant(times.filter(times <= moment).max())
    return RowAt(features, newest, _widest_gap(times) or _widest_gap(frame.get_column(clock)))


def _key_columns(plan: FeaturePlan, key: Mapping[str, str]) -> dict[str, str]:
    """The key by the table's own names of its columns, which are found without regard to case and punctuation."""
    keys = plan.table.keys
    by_plain = {plain(name): name for name in keys}
    found = {name if name in keys else by_plain.get(plain(name), name): str(value) for name, value in key.items()}
    if set(found) != set(keys) or len(found) < len(key):
        wanted = ", ".join(keys) or "no key: the table has none"
        raise BadInput.at("key", expected=wanted, found=", ".join(key) or "nothing")
    return found


def _matches(key: Mapping[str, str | None]) -> pl.Expr:
    equal = (pl.col(name).cast(pl.String).eq_missing(pl.lit(value, pl.String)) for name, value in key.items())
    return pl.all_horizontal(pl.lit(value=True), *equal)


def _with_event(
    known: pl.DataFrame, plan: FeaturePlan, key: Mapping[str, str], moment: datetime, given: Mapping[str, Given]
) -> tuple[pl.DataFrame, bool]:
    """The rows with that of the event blanked or, if it is not among them, made up; and which it was."""
    clock = str(plan.table.time)
    same = _matches(key) & (pl.col(clock) == moment)
    if known.filter(same).height:
        if given:
            raise BadInput.at("given", expected="nothing: the row is in the table", found=", ".join(given))
        hidden = [name for name in plan.table.hidden if name in known.columns]
        return known.with_columns(pl.when(~same).then(pl.col(name)).alias(name) for name in hidden), False
    values: dict[str, object] = {clock: moment, **key, **_checked(plan, given)}
    row = [pl.Series(name, [values.get(name)]).cast(dtype, strict=False) for name, dtype in known.schema.items()]
    return pl.concat([known, pl.DataFrame(row)]).sort(clock, *plan.table.keys, maintain_order=True), True


def _checked(plan: FeaturePlan, given: Mapping[str, Given]) -> dict[str, object]:
    checked: dict[str, object] = {}
    for name, value in given.items():
        column = _given_column(plan, name)
        if column in {*plan.table.hidden, plan.table.time, *plan.table.keys}:
            raise BadInput.at(f"given.{name}", expected="a column known beforehand, beside key and time", found=column)
        checked[column] = None if value is None else _value(f"given.{name}", plan.table.kinds[column], value)
    return checked


def _given_column(plan: FeaturePlan, name: str) -> str:
    try:
        return plan.table.find(name, text=name, at=0)
    except BadExpression as error:
        (problem,) = error.problems
        raise BadInput(problems=[replace(problem, field=f"given.{clip(name)}")]) from error


def _value(field: str, kind: Kind, value: Given) -> object:
    if kind == "number" and isinstance(value, int | float):
        return float(value)
    if kind == "category" and isinstance(value, str):
        return value
    instant = microseconds(value) if kind == "time" and isinstance(value, str) else None
    if instant is None:
        raise BadInput.at(field, expected=f"a {kind}", found=value)
    return datetime.fromtimestamp(instant / 1e6, UTC)


def _concerning(row: pl.DataFrame, plan: FeaturePlan) -> pl.Expr:
    """Whether a row can have a part in `row`'s features: those of its groups can; with groups inside groups, all."""
    trees = [column.tree for column in plan.columns]
    if any(_reaches_out(tree) for tree in trees):
        return pl.lit(value=True)
    own = _matches({name: row[name].cast(pl.String)[0] for name in plan.table.keys})
    overs = [node for tree in trees for node in walk(tree) if isinstance(node, Over)]
    return pl.any_horizontal(own, *(_of_group(over, row) for over in overs))


def _reaches_out(tree: Expression) -> bool:
    """Whether some row of a group needs rows of a group of its own."""
    return any(
        isinstance(inner, Over) or (isinstance(node, Either) and not _row_wise(inner))
        for node in walk(tree)
        if isinstance(node, Over | Either)
        for child in children(node)
        for inner in walk(child)
    )


def _row_wise(node: Expression) -> bool:
    return not isinstance(node, Call) or CATALOGUE[node.function].mode in {"row", "clocked"}


def _of_group(over: Over, row: pl.DataFrame) -> pl.Expr:
    values = [_is(name, row[over.columns[0]] if over.roles else row[name]) for name in over.columns]
    return (pl.any_horizontal(values) if over.roles else pl.all_horizontal(values)).fill_null(value=False)


def _is(name: str, value: pl.Series) -> pl.Expr:
    return pl.col(name).cast(pl.String) == pl.lit(value.cast(pl.String)[0], dtype=pl.String)


def _refuse_unknown(frame: pl.DataFrame, key: Mapping[str, str]) -> None:
    known = {text for name in key for text in frame.get_column(name).cast(pl.String).unique().drop_nulls()}
    for name, value in key.items():
        if value not in known:
            near = ", ".join(map(clip, get_close_matches(value, known, n=3) or sorted(known)[:5]))
            problem = FieldProblem(f"key.{name}", f"one that is known, such as {near}", clip(value))
            raise NoSuchRow(f"no {name} {clip(value)}; there are {near}", problem=problem)


def _no_row(frame: pl.DataFrame, clock: str, key: Mapping[str, str], moment: datetime) -> NoSuchRow:
    _refuse_unknown(frame, key)
    which = ", ".join(f"{name} {clip(value)}" for name, value in key.items()) or "the table"
    first = _instant(frame.filter(_matches(key)).get_column(clock).min())
    if first is None:
        problem = FieldProblem("key", "values that have rows together", which)
        return NoSuchRow(f"no row of {which}, at any time", problem=problem)
    since = f"the first is of {first.isoformat()}"
    problem = FieldProblem("time", f"a time by which there is a row of {which}: {since}", moment.isoformat())
    return NoSuchRow(f"no row of {which} at or before {moment.isoformat()}; {since}", problem=problem)


def _instant(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _widest_gap(times: pl.Series) -> timedelta | None:
    gap = times.diff().max()
    return gap if isinstance(gap, timedelta) else None
