"""Features as of a key and a time: the same numbers as computing the whole table, from what was known then."""

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TypeAlias

import polars as pl

from forecastle.errors import BadInput, clip
from forecastle.features.errors import NoSuchRow
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.calendar import microseconds
from forecastle.features.nodes import Call, Either, Expression, Over, children, walk
from forecastle.features.plan import FeaturePlan, States
from forecastle.features.table import Kind

_PLACE = "place in the table"

Given: TypeAlias = float | int | bool | str | None


def features_at(
    frame: pl.DataFrame,
    plan: FeaturePlan,
    states: States,
    *,
    key: Mapping[str, str],
    time: datetime,
    given: Mapping[str, Given] | None = None,
    event: bool = False,
) -> dict[str, float | str | None]:
    """The features of one row, by name; None where missing.

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
        raise BadInput("key and time: expected the features themselves, since the table has no time column")
    moment = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    names = _key_columns(plan, key)
    known = frame.filter(pl.col(clock) <= moment)
    if event:
        _refuse_unknown(frame, names)
        known = _with_event(known, plan, names, moment, given or {})
    elif given:
        raise BadInput.at("given", expected="nothing: the row is in the table", found=", ".join(given))
    mine = known.with_row_index(_PLACE).filter(_matches(names))
    if not mine.height:
        raise _no_row(frame, names, moment)
    row = mine.tail(1)
    history, place = _relevant(known.with_row_index(_PLACE), row, plan)
    return plan.compute(history, states).row(place, named=True)


def _key_columns(plan: FeaturePlan, key: Mapping[str, str]) -> dict[str, str]:
    found = {plan.table.find(name, text=name, at=0): str(value) for name, value in key.items()}
    missing = [name for name in plan.table.keys if name not in found]
    extra = [name for name in found if name not in plan.table.keys]
    if missing or extra:
        wanted = ", ".join(plan.table.keys) or "no key: the table has none"
        raise BadInput.at("key", expected=wanted, found=", ".join(key) or "nothing")
    return found


def _matches(key: Mapping[str, str | None]) -> pl.Expr:
    equal = (pl.col(name).cast(pl.String).eq_missing(pl.lit(value, pl.String)) for name, value in key.items())
    return pl.all_horizontal(pl.lit(value=True), *equal)


def _with_event(
    known: pl.DataFrame, plan: FeaturePlan, key: Mapping[str, str], moment: datetime, given: Mapping[str, Given]
) -> pl.DataFrame:
    clock = str(plan.table.time)
    same = _matches(key) & (pl.col(clock) == moment)
    if known.filter(same).height:
        if given:
            raise BadInput.at("given", expected="nothing: the row is in the table", found=", ".join(given))
        hidden = [name for name in plan.table.hidden if name in known.columns]
        return known.with_columns(pl.when(~same).then(pl.col(name)).alias(name) for name in hidden)
    values: dict[str, object] = {clock: moment, **key, **_checked(plan, given)}
    row = [pl.Series(name, [values.get(name)]).cast(dtype, strict=False) for name, dtype in known.schema.items()]
    return pl.concat([known, pl.DataFrame(row)]).sort(clock, *plan.table.keys, maintain_order=True)


def _checked(plan: FeaturePlan, given: Mapping[str, Given]) -> dict[str, object]:
    checked: dict[str, object] = {}
    for name, value in given.items():
        column = plan.table.find(name, text=name, at=0)
        if column in {*plan.table.hidden, plan.table.time, *plan.table.keys}:
            raise BadInput.at(f"given.{name}", expected="a column known beforehand, beside key and time", found=column)
        checked[column] = None if value is None else _value(f"given.{name}", plan.table.kinds[column], value)
    return checked


def _value(field: str, kind: Kind, value: Given) -> object:
    if kind == "number" and isinstance(value, int | float):
        return float(value)
    if kind == "category" and isinstance(value, str):
        return value
    instant = microseconds(value) if kind == "time" and isinstance(value, str) else None
    if instant is None:
        raise BadInput.at(field, expected=f"a {kind}", found=value)
    return datetime.fromtimestamp(instant / 1e6, UTC)


def _relevant(known: pl.DataFrame, row: pl.DataFrame, plan: FeaturePlan) -> tuple[pl.DataFrame, int]:
    """The rows that can have a part in `row`'s features, and its place among them.

    Those are the rows of its groups; with groups inside groups, all.
    """
    trees = [column.tree for column in plan.columns]
    overs = [node for tree in trees for node in walk(tree) if isinstance(node, Over)]
    if not any(_reaches_out(tree) for tree in trees):
        conditions = [_matches({name: row[name].cast(pl.String)[0] for name in plan.table.keys})]
        conditions += [_of_group(over, row) for over in overs]
        known = known.filter(pl.any_horizontal(conditions))
    # Rows after this one of the same time are no part of its past, and cannot change it.
    place = known.get_column(_PLACE).search_sorted(row[_PLACE][0])
    return known.drop(_PLACE), int(place)


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
            near = get_close_matches(value, known, n=3) or sorted(known)[:5]
            raise NoSuchRow(f"no {name} {clip(value)}; there are {', '.join(near)}")


def _no_row(frame: pl.DataFrame, key: Mapping[str, str], moment: datetime) -> NoSuchRow:
    _refuse_unknown(frame, key)
    which = ", ".join(f"{name} {clip(value)}" for name, value in key.items()) or "the table"
    return NoSuchRow(f"no row of {which} at or before {moment.isoformat()}")
