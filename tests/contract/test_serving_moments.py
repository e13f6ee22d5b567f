"""Features as of a key and a time, found from what a model's manifest says: the same on every database."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.dataset import Dataset
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.errors import BadInput
from forecastle.features.frames import prepare
from forecastle.features.plan import FeaturePlan
from forecastle.registry.manifest import FeatureColumn, Manifest, Regime, TargetFacts
from forecastle.serving.errors import BadMoment
from forecastle.serving.moments import MAX_FRAMES, Frames, Moment
from forecastle.serving.times import read_time

Add = Callable[..., Awaitable[Dataset]]
MakeManifest = Callable[..., Manifest]

BARS = "time,ticker,close\n" + "".join(
    f"2024-01-{1 + hour // 24:02} {hour % 24:02}:00,{ticker},{100 + base + 7 * math.sin(hour):.3f}\n"
    for hour in range(96)
    for ticker, base in (("AAA", 0), ("BBB", 50))
)
INDEX = "time,level\n" + "".join(f"2024-01-{1 + h // 24:02} {h % 24:02}:00,{h}\n" for h in range(96))
MATCHES = "date,home,away,ground,goals\n" + "".join(
    f"2024-01-{day:02},{home},{away},{ground},{day % 4}\n"
    for day in range(1, 29)
    for home, away, ground in ((("red", "blue", "dry"), ("blue", "red", "wet"))[day % 2],)
)


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path / "datasets")


@pytest.fixture
def frames(database: Database, tables: TableStore) -> Frames:
    return Frames(database, tables)


@pytest.fixture
def add(database: Database, tables: TableStore, clock: ManualClock, tmp_path: Path) -> Add:
    async def add(name: str, text: str, time: str | None, *keys: str) -> Dataset:
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        options = ImportOptions(time=time or "none", keys=keys)
        return await catalogue.import_file(database, tables, path, options, name=name, now=clock.now())

    return add


def read(tables: TableStore, dataset: Dataset) -> pl.DataFrame:
    return tables.read(dataset.name, dataset.sha256, time=dataset.time, keys=dataset.keys)


def described(make_manifest: MakeManifest, dataset: Dataset, **fields: Any) -> Manifest:
    defaults: dict[str, Any] = {
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "target": TargetFacts("close", "none", 1),
    }
    return make_manifest(**defaults | fields)


def at(time: str, given: dict[str, Any] | None = None, **key: str) -> Moment:
    return Moment(key, read_time(time), given or {})


async def test_a_joined_resampled_table_gives_the_same_as_the_whole_computation(
    frames: Frames, add: Add, tables: TableStore, make_manifest: MakeManifest
) -> None:
    bars, index = await add("bars", BARS, "time", "ticker"), await add("INDEX", INDEX, "time")
    expressions = {"mean": "sma(close, 3)", "gap": "close - level_INDEX", "who": "ticker"}
    recipe = {"timeframe": "4h", "context": ["INDEX"], "keys": ["bbb"]}
    manifest = described(
        make_manifest, bars, recipe=recipe, features=tuple(FeatureColumn(*item) for item in expressions.items())
    )
    frame = prepare(
        read(tables, bars),
        time="time",
        keys=("ticker",),
        timeframe="4h",
        context={"INDEX": read(tables, index)},
        select_keys=("bbb",),
    )
    entries = [f"{name} = {expression}" for name, expression in expressions.items()]
    plan = FeaturePlan.of(entries, schema=frame.schema, time="time", keys=("ticker",), context=("INDEX",))
    whole = plan.compute(frame, {})
    for row, time in enumerate(frame["time"]):
        sight = await frames.look(manifest, Moment({"ticker": "BBB"}, time))
        assert sight.features == whole.row(row, named=True)
    between = await frames.look(manifest, at("2024-01-02T09:59", ticker="BBB"))
    assert between.features == whole.filter(frame["time"] == datetime(2024, 1, 2, 8, tzinfo=UTC)).row(0, named=True)


@pytest.mark.parametrize(("transform", "known"), [("none", False), ("log", False), ("log_return", True), ("up", False)])
async def test_the_present_value_is_looked_up_where_the_way_back_needs_it(
    frames: Frames, add: Add, make_manifest: MakeManifest, transform: str, *, known: bool
) -> None:
    bars = await add("bars", BARS, "time", "ticker")
    classes = ("0", "1") if transform == "up" else ()
    manifest = described(
        make_manifest,
        bars,
        features=(FeatureColumn("now", "close"),),
        target=TargetFacts("close * 2", transform, 1),
        classes=classes,
    )
    sight = await frames.look(manifest, at("2024-01-02", ticker="AAA"))
    now = sight.features["now"]
    assert isinstance(now, float)
    assert sight.current == (2 * now if known else None)


async def test_an_event_hides_its_own_outcome(frames: Frames, add: Add, make_manifest: MakeManifest) -> None:
    matches = await add("matches", MATCHES, "date", "home", "away")
    manifest = described(
        make_manifest,
        matches,
        features=(
            FeatureColumn("form", "mean(before(goals), 3)"),
            FeatureColumn("ground", "ground", "category", ("dry",)),
        ),
        target=TargetFacts("goals", "none", 0),
        recipe={"target": {"hidden": ["goals"]}},
    )
    played = await frames.look(manifest, at("2024-01-09", home="blue", away="red"))
    assert played.features == {"form": pytest.approx((7 % 4 + 5 % 4 + 3 % 4) / 3), "ground": "wet"}
    coming = await frames.look(manifest, at("2024-02-01", {"ground": "dry"}, home="blue", away="red"))
    assert coming.features == {"form": pytest.approx((27 % 4 + 25 % 4 + 23 % 4) / 3), "ground": "dry"}
    with pytest.raises(BadInput, match=r"given\.goals"):
        await frames.look(manifest, at("2024-02-01", {"goals": 3}, home="blue", away="red"))


@pytest.mark.parametrize(
    ("moment", "field", "message"),
    [
        (at("2024-01-02", ticker="CCC"), "key.ticker", "no ticker CCC; there are AAA, BBB"),
        (at("2023-01-02", ticker="AAA"), "time", "no row of ticker AAA at or before 2023-01-02"),
        (at("2024-01-02"), "key", "key: expected ticker, found nothing"),
        (at("2024-01-02", symbol="AAA"), "key", "key: expected ticker, found symbol"),
        (at("2024-01-02", ticker="AAA", Ticker="BBB"), "key", "key: expected ticker, found ticker, Ticker"),
        (at("2024-01-02", {"close": 1.0}, ticker="AAA"), "given", "given: expected nothing"),
    ],
)
async def test_what_does_not_fit_the_table_is_refused_by_the_name_of_its_field(
    frames: Frames, add: Add, make_manifest: MakeManifest, moment: Moment, field: str, message: str
) -> None:
    bars = await add("bars", BARS, "time", "ticker")
    manifest = described(make_manifest, bars, features=(FeatureColumn("now", "close"),))
    with pytest.raises(BadInput, match=message) as caught:
        await frames.look(manifest, moment)
    assert [problem.field for problem in caught.value.problems] == [field]


WORKDAYS = "date,ticker,close\n" + "".join(
    f"2024-01-{day:02},{ticker},{day}\n"
    for day in range(1, 32)
    for ticker in ("AAA", "BBB")
    if day % 7 not in {6, 0} and not (ticker == "BBB" and day in {1, 2, 3, 4, 5, 15})
)
"""Mondays to Fridays; BBB begins on the 8th and misses the 15th."""


@pytest.mark.parametrize(
    ("time", "ticker", "as_of", "age"),
    [
        ("2024-01-01T00:00", "AAA", "2024-01-01", None),
        ("2024-01-07T23:59", "AAA", "2024-01-05", None),
        ("2024-02-03T00:00", "AAA", "2024-01-31", None),
        ("2024-02-03T00:01", "AAA", "2024-01-31", "3 days"),
        ("2024-02-03T00:01", "BBB", "2024-01-31", None),
        ("2024-02-04T00:01", "BBB", "2024-01-31", "4 days"),
        ("3000-01-01T00:00", "BBB", "2024-01-31", "356,447 days"),
    ],
)
async def test_a_row_that_is_older_than_any_weekend_makes_it_is_warned_of(
    frames: Frames, add: Add, make_manifest: MakeManifest, time: str, ticker: str, as_of: str, age: str | None
) -> None:
    bars = await add("workdays", WORKDAYS, "date", "ticker")
    manifest = described(make_manifest, bars, features=(FeatureColumn("now", "close"),))
    sight = await frames.look(manifest, at(time, ticker=ticker))
    assert sight.as_of == datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    expected = f"the newest row of this key is from {as_of}T00:00:00Z, {age} before the time asked"
    assert sight.warnings == ((expected,) if age else ())


@pytest.mark.parametrize(
    ("time", "found"),
    [("2024-01-02T02:00", None), ("2024-01-02T05:00", "is not true"), ("2024-01-01T01:00", "is not known")],
)
async def test_a_row_outside_the_regime_is_warned_of(
    frames: Frames, add: Add, make_manifest: MakeManifest, time: str, found: str | None
) -> None:
    """26 and 29 hours in, the sine is above and below its mean of three; an hour in, that mean is not known."""
    bars = await add("bars", BARS, "time", "ticker")
    regime = Regime("close > sma(close, 3)", {}, 20)
    manifest = described(make_manifest, bars, features=(FeatureColumn("now", "close"),), regime=regime)
    expected = f"the model was trained only on rows for which close > sma(close, 3), which {found} of this one"
    sight = await frames.look(manifest, at(time, ticker="AAA"))
    assert sight.warnings == ((expected,) if found else ())


async def test_a_regime_that_was_learned_is_the_one_of_the_training(
    frames: Frames, add: Add, tables: TableStore, make_manifest: MakeManifest
) -> None:
    """Every row is inside by the states in the manifest if and only if nothing is warned of."""
    bars = await add("bars", BARS, "time", "ticker")
    frame = prepare(read(tables, bars), time="time", keys=("ticker",), timeframe=None, context={})
    plan = FeaturePlan.of(["inside = mixture(close)"], schema=frame.schema, time="time", keys=("ticker",))
    states = plan.fit(frame, (frame["ticker"] == "BBB").to_numpy())
    inside = plan.compute(frame, states)["inside"]
    assert set(inside) == {0.0, 1.0}
    manifest = described(
        make_manifest, bars, features=(FeatureColumn("now", "close"),), regime=Regime("mixture(close)", states, 20)
    )
    for row in range(0, frame.height, 7):
        moment = Moment({"ticker": frame["ticker"][row]}, frame["time"][row])
        assert bool((await frames.look(manifest, moment)).warnings) != bool(inside[row])


async def test_an_events_regime_does_not_look_at_its_outcome(
    frames: Frames, add: Add, make_manifest: MakeManifest
) -> None:
    matches = await add("matches", MATCHES, "date", "home", "away")
    manifest = described(
        make_manifest,
        matches,
        features=(FeatureColumn("form", "mean(before(goals), 3)"),),
        target=TargetFacts("goals", "none", 0),
        regime=Regime('ground == "dry"', {}, 14),
    )
    warned = [
        (await frames.look(manifest, at("2024-03-01", {"ground": ground}, home="red", away="blue"))).warnings
        for ground in ("dry", "wet")
    ]
    assert [any('ground == "dry"' in warning for warning in each) for each in warned] == [False, True]


@pytest.mark.parametrize(
    ("time", "age"), [("2024-01-04T23:30", None), ("2024-01-05T00:30", "1 hour"), ("2024-01-05T20:00", "21 hours")]
)
async def test_ages_are_told_in_the_unit_that_fits_and_tables_without_key_too(
    frames: Frames, add: Add, make_manifest: MakeManifest, time: str, age: str | None
) -> None:
    index = await add("index", INDEX, "time")
    manifest = described(
        make_manifest, index, features=(FeatureColumn("now", "level"),), target=TargetFacts("level", "none", 1)
    )
    sight = await frames.look(manifest, at(time))
    expected = f"the newest row of the table is from 2024-01-04T23:00:00Z, {age} before the time asked"
    assert sight.warnings == ((expected,) if age else ())


@pytest.mark.parametrize(("year", "warned"), [(2024, False), (3000, True)])
async def test_an_event_far_beyond_the_table_is_warned_of(
    frames: Frames, add: Add, make_manifest: MakeManifest, year: int, *, warned: bool
) -> None:
    matches = await add("matches", MATCHES, "date", "home", "away")
    form = FeatureColumn("form", "mean(before(goals), 3) over home")
    manifest = described(make_manifest, matches, features=(form,), target=TargetFacts("goals", "none", 0))
    sight = await frames.look(manifest, at(f"{year}-01-29", {"ground": "dry"}, home="blue", away="red"))
    assert sight.as_of == datetime(2024, 1, 27, tzinfo=UTC)
    assert bool(sight.warnings) == warned


async def test_a_table_without_time_has_no_moments(frames: Frames, add: Add, make_manifest: MakeManifest) -> None:
    homes = await add("homes", "area,price\n1,2\n2,3\n", None)
    manifest = described(
        make_manifest, homes, features=(FeatureColumn("area", "area"),), target=TargetFacts("price", "none", 0)
    )
    with pytest.raises(BadInput, match="the features themselves"):
        await frames.look(manifest, at("2024-01-02"))


async def test_a_dataset_that_was_removed_or_replaced_is_noticed(
    frames: Frames, add: Add, make_manifest: MakeManifest, database: Database, tables: TableStore
) -> None:
    bars = await add("bars", BARS, "time", "ticker")
    manifest = described(make_manifest, bars, features=(FeatureColumn("now", "close"),))
    moment = at("2024-01-02", ticker="AAA")
    before = await frames.look(manifest, moment)
    async with database.write() as session:
        await catalogue.remove(session, "bars", tables)
    with pytest.raises(BadMoment, match="send the features themselves"):
        await frames.look(manifest, moment)
    await add("bars", BARS + "2024-01-05,AAA,1\n", "time", "ticker")
    after = await frames.look(manifest, moment)
    assert after.features == before.features
    assert after.warnings == ("dataset bars has changed since the model was trained",)


async def test_a_table_is_read_once_and_only_the_last_few_are_kept(
    frames: Frames, add: Add, make_manifest: MakeManifest, tables: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    scan = tables.scan

    def counting(name: str, sha256: str) -> AbstractContextManager[pl.LazyFrame]:
        reads.append(sha256)
        return scan(name, sha256)

    monkeypatch.setattr(tables, "scan", counting)
    bars = await add("bars", BARS, "time", "ticker")
    manifests = [
        described(make_manifest, bars, features=(FeatureColumn("now", "close"),), recipe={"timeframe": f"{hours}h"})
        for hours in range(1, MAX_FRAMES + 2)
    ]
    moment = at("2024-01-03", ticker="AAA")
    await asyncio.gather(*(frames.look(manifests[0], moment) for _ in range(10)))
    assert len(reads) == 1
    for manifest in manifests:
        await frames.look(manifest, moment)
    assert len(reads) == MAX_FRAMES + 1
    await frames.look(manifests[-1], moment)
    assert len(reads) == MAX_FRAMES + 1
    await frames.look(manifests[0], moment)
    assert len(reads) == MAX_FRAMES + 2


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05+02:00", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_times_are_iso_and_naive_means_utc(text: str, time: datetime) -> None:
    assert read_time(text) == time
    assert read_time(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "soon", "1704153600", "2024-13-01", "0001-01-01T00:00+10:00", "2024-01-02\0"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadMoment, match="since: expected an ISO 8601 date or time"):
        read_time(text, field="since")


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
@pytest.mark.parametrize("part", ["key", "given"])
def test_text_that_no_database_can_hold_is_refused(part: str, text: str) -> None:
    values = {"key": {"team": "a"}, "given": {"ground": "wet"}} | {part: {"team": text}}
    with pytest.raises(BadMoment, match=rf"{part}\.team: expected text without NUL"):
        Moment(values["key"], datetime(2024, 1, 1, tzinfo=UTC), values["given"])
