"""Features as of a key and a time, and how new they are, from the dataset that a model was trained on, as it is now."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import polars as pl

from forecastle.data import catalogue
from forecastle.data.dataset import Dataset
from forecastle.data.errors import DatasetNotFound
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.errors import FieldProblem
from forecastle.features import frames
from forecastle.features.asof import Given, RowAt, row_at
from forecastle.features.errors import NoSuchRow
from forecastle.features.plan import FeaturePlan
from forecastle.features.targets import plan_target
from forecastle.features.tokens import quote_name
from forecastle.flights import Flights
from forecastle.registry.manifest import Manifest, Regime
from forecastle.serving.errors import BadMoment
from forecastle.types import is_storable

MAX_FRAMES = 4
COMPARES = {"log_return", "pct_change"}
"""Transforms whose way back needs the target's value at the row."""
CURRENT, INSIDE = "current", "inside"
SECOND = timedelta(seconds=1)
UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


@dataclass(frozen=True, slots=True)
class Moment:
    """What a prediction is about: an entity, a time, and for an event what is known of it beforehand."""

    key: Mapping[str, str]
    time: datetime
    """Naive means UTC."""
    given: Mapping[str, Given] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, values in (("key", self.key), ("given", self.given)):
            for name, value in values.items():
                if not is_storable(f"{name}{value}"):
                    expected = "text without NUL characters or lone surrogates"
                    raise BadMoment.at(f"{part}.{name}", expected=expected, found=value)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known at a moment."""

    features: dict[str, float | str | None]
    """By name, in the model's order."""
    current: float | None
    """The target's value at the row, where the way back to the target's own units needs it."""
    as_of: datetime | None
    """Time of the newest row that the features are made from, aware; None for an event without a past."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plans:
    features: FeaturePlan
    current: FeaturePlan | None
    inside: FeaturePlan | None
    """The condition of the rows that the model was confined to."""
    event: bool


#: A prepared table and the plans of the models that use it, by model.
_Held: TypeAlias = tuple[pl.DataFrame, dict[str, _Plans]]


class Frames:
    """Prepared tables, the last few that were used, with the plans of the models that use them."""

    def __init__(self, database: Database, tables: TableStore) -> None:
        self._database = database
        self._tables = tables
        self._held: dict[tuple[object, ...], _Held] = {}
        self._flights = Flights()

    async def look(self, manifest: Manifest, moment: Moment) -> Sight:
        """The model's features at a moment, the same as in training. Computed in a thread.

        Raises:
            BadMoment: the key is unknown or has no row by then, or a dataset was removed.
            BadInput: key, time or given do not fit the dataset.
        """
        if manifest.origin == "uploaded":
            problem = FieldProblem("time", "the features themselves", "a model that was uploaded")
            message = (
                "the model was uploaded, and how its features are computed is not known: send the features themselves"
            )
            raise BadMoment(message, problems=[problem])
        recipe = manifest.recipe
        dataset, *series = await self._datasets([manifest.dataset, *(recipe.get("context") or ())])
        context = {table.name: table for table in series}
        frame, plans = await self._frame(dataset, context, recipe)
        changed = dataset.sha256 != manifest.dataset_sha256
        warnings = (f"dataset {dataset.name} has changed since the model was trained",) if changed else ()
        try:
            return await asyncio.to_thread(_look, manifest, dataset, frame, plans, moment, warnings)
        except NoSuchRow as error:
            raise BadMoment(error.message, problems=[error.problem]) from error

    async def close(self) -> None:
        """Wait for what is being read."""
        await self._flights.close()

    async def _datasets(self, names: Sequence[str]) -> list[Dataset]:
        try:
            async with self._database.read() as session:
                return [await catalogue.get(session, name) for name in names]
        except DatasetNotFound as error:
            problem = FieldProblem("time", "the features themselves", "a dataset that was removed")
            message = f"{error.message} any more: send the features themselves"
            raise BadMoment(message, problems=[problem]) from error

    async def _frame(self, dataset: Dataset, context: Mapping[str, Dataset], recipe: Mapping[str, Any]) -> _Held:
        timeframe, keys = recipe.get("timeframe"), tuple(recipe.get("keys") or ())
        series = tuple((name, table.sha256) for name, table in context.items())
        shape = (dataset.sha256, dataset.time, dataset.keys, series, timeframe, keys)
        held = self._held.pop(shape, None)
        if held is None:
            read = partial(_read, self._tables, dataset, context, timeframe, keys)
            held = await self._flights.once(shape, partial(self._hold, shape, read))
            self._held.pop(shape, None)
        self._held[shape] = held
        while len(self._held) > MAX_FRAMES:
            del self._held[next(iter(self._held))]
        return held

    async def _hold(self, shape: tuple[object, ...], read: Callable[[], pl.DataFrame]) -> _Held:
        """Read a table and keep it, before anyone who comes later can find neither it nor its reading."""
        held = self._held[shape] = (await asyncio.to_thread(read), {})
        return held


def _read(
    tables: TableStore,
    dataset: Dataset,
    context: Mapping[str, Dataset],
    timeframe: str | None,
    keys: tuple[str, ...],
) -> pl.DataFrame:
    def read(table: Dataset) -> pl.DataFrame:
        return tables.read(table.name, table.sha256, time=table.time, keys=table.keys)

    return frames.prepare(
        read(dataset),
        time=dataset.time,
        keys=dataset.keys,
        timeframe=timeframe,
        context={name: read(table) for name, table in context.items()},
        select_keys=keys,
    )


def _look(
    manifest: Manifest,
    dataset: Dataset,
    frame: pl.DataFrame,
    plans: dict[str, _Plans],
    moment: Moment,
    warnings: tuple[str, ...],
) -> Sight:
    if manifest.id not in plans:
        plans[manifest.id] = _plans(manifest, dataset, frame)
    plan = plans[manifest.id]
    at = partial(row_at, frame, key=moment.key, time=moment.time, given=moment.given, event=plan.event)
    row = at(plan.features, manifest.feature_states)
    current = at(plan.current, {}).features[CURRENT] if plan.current is not None else None
    overdue = _overdue(row, moment, "this key" if dataset.keys else "the table")
    regime, inside = manifest.regime, plan.inside
    outside = _outside(regime, at(inside, regime.states)) if regime is not None and inside is not None else ()
    return Sight(
        row.features,
        current if isinstance(current, float) else None,
        as_of=row.newest,
        warnings=(*warnings, *overdue, *outside),
    )


def _outside(regime: Regime, row: RowAt) -> Iterator[str]:
    """A warning when the row is of no kind that the model has seen; where that is not known, training took it so."""
    met = row.features[INSIDE]
    if not met:
        found = "is not known" if met is None else "is not true"
        yield f"the model was trained only on rows for which {regime.expression}, which {found} of this one"


def _overdue(row: RowAt, moment: Moment, whose: str) -> Iterator[str]:
    """A warning when one waits for the next row for longer than ever before, weekends and holidays included."""
    if row.newest is None or row.widest_gap is None:
        return
    age = moment.time.replace(tzinfo=moment.time.tzinfo or UTC) - row.newest
    if age > row.widest_gap:
        since = row.newest.isoformat().replace("+00:00", "Z")
        yield f"the newest row of {whose} is from {since}, {_spelled(age)} before the time asked"


def _spelled(age: timedelta) -> str:
    unit, length = next(((unit, length) for unit, length in UNITS.items() if age >= length), ("second", SECOND))
    number = age // length
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _plans(manifest: Manifest, dataset: Dataset, frame: pl.DataFrame) -> _Plans:
    """The plans that training made, from what the manifest says of it."""
    target, recipe = manifest.target, manifest.recipe
    entries = [f"{quote_name(column.name)} = {column.expression}" for column in manifest.features]
    known: dict[str, Any] = {"schema": frame.schema, "time": dataset.time, "keys": dataset.keys}
    event = target.horizon == 0
    hidden = list((recipe.get("target") or {}).get("hidden") or ())
    if event:
        fitted = plan_target(target.expression, transform=target.transform, horizon=0, **known)
        hidden += [name for name in fitted.columns if name not in hidden]
    context = tuple(recipe.get("context") or ())
    features = FeaturePlan.of(entries, **known, context=context, hidden=hidden)
    compares = target.transform in COMPARES and not manifest.classes
    current = FeaturePlan.of([f"{CURRENT} = {target.expression}"], **known, context=context) if compares else None
    regime = manifest.regime
    inside = (
        FeaturePlan.of([f"{INSIDE} = {regime.expression}"], **known, context=context, hidden=hidden) if regime else None
    )
    return _Plans(features, current, inside, event)
