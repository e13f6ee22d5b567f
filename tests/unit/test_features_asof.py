from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from forecastle.errors import BadInput
from forecastle.features.asof import row_at
from forecastle.features.errors import NoSuchRow
from forecastle.features.plan import FeaturePlan

START = datetime(2024, 1, 1, tzinfo=UTC)
ROUNDS = [("ars", "che"), ("che", "liv"), ("ars", "liv"), ("liv", "che"), ("che", "ars"), ("liv", "ars")]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def matches() -> pl.DataFrame:
    """Two matches a day."""
    return pl.DataFrame({
        "date": pl.Series([day(row // 2) for row in range(6)], dtype=pl.Datetime("us", "UTC")),
        "home": [home for home, _ in ROUNDS],
        "away": [away for _, away in ROUNDS],
        "kickoff": pl.Series([day(row // 2 + 0.5) for row in range(6)], dtype=pl.Datetime("us", "UTC")),
        "odds": [1.5, 2.5, None, 3.5, 1.1, 1.9],
        "ref": ["r", "s", "r", None, "s", "r"],
        "ft_home": [2, 1, 3, 0, 5, 1],
        "ft_away": [0, 1, 4, 2, 6, 1],
    }).sort("date", "home", "away")  # fmt: skip


FORM = [
    "form = before(mean(either(ft_home, ft_away), 2, 1)) over either(home, away)",
    "away_form = before(mean(either(ft_away, ft_home), 2, 1)) over either(away, home)",
    "league = before(cumulative(ft_home)) over ref",
    "odds",
    "ref",
    "hour(kickoff)",
    "rest = before(mean(lag(ft_home), 2, 1)) over home",
]


@pytest.fixture
def plan(matches: pl.DataFrame) -> FeaturePlan:
    hidden = ("ft_home", "ft_away")
    return FeaturePlan.of(FORM, schema=matches.schema, time="date", keys=("home", "away"), hidden=hidden)


def test_a_played_match_has_the_features_it_had_before(matches: pl.DataFrame, plan: FeaturePlan) -> None:
    whole = plan.compute(matches, {})
    for row in range(matches.height):
        home, away, date = matches.select("home", "away", "date").row(row)
        found = row_at(matches, plan, {}, key={"home": home, "away": away}, time=date, event=True)
        assert found.newest == date
        assert found.features == whole.row(row, named=True)


def test_a_match_to_come_has_the_features_it_will_have(matches: pl.DataFrame, plan: FeaturePlan) -> None:
    whole = plan.compute(matches, {})
    for row in range(matches.height):
        home, away, date = matches.select("home", "away", "date").row(row)
        facts = matches.select("odds", "ref", kickoff=pl.col("kickoff").dt.to_string("iso")).row(row, named=True)
        before = matches.filter(pl.int_range(pl.len()) != row)
        if {home, away} <= {*before["home"], *before["away"]}:
            at: dict[str, Any] = {"key": {"HOME": home, "away": away}, "time": date, "given": facts, "event": True}
            assert row_at(before, plan, {}, **at).features == whole.row(row, named=True)


def test_what_is_not_given_is_missing(matches: pl.DataFrame, plan: FeaturePlan) -> None:
    found = row_at(matches, plan, {}, key={"home": "ars", "away": "che"}, time=day(9), event=True)
    assert found.features == {
        "form": 3.5, "away_form": 3.5, "league": None, "odds": None, "ref": None, "hour(kickoff)": None, "rest": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ft_home": 1}, "given.ft_home: expected a column known beforehand, beside key and time, found ft_home"),
        ({"home": "x"}, "given.home: expected a column known beforehand"),
        ({"odd": 1}, "given.odd: expected a column; did you mean odds?, found odd"),
        ({"odds": "x"}, "given.odds: expected a number, found x"),
        ({"ref": 1}, "given.ref: expected a category, found 1"),
        ({"kickoff": "soon"}, "given.kickoff: expected a time, found soon"),
        ({"kickoff": 5}, "given.kickoff: expected a time, found 5"),
    ],
)
def test_given_values_are_checked(
    matches: pl.DataFrame, plan: FeaturePlan, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput) as caught:
        row_at(matches, plan, {}, key={"home": "ars", "away": "che"}, time=day(9), given=given, event=True)
    assert message in caught.value.message


def test_a_row_that_is_there_takes_no_values(matches: pl.DataFrame, plan: FeaturePlan) -> None:
    key = {"home": "ars", "away": "che"}
    with pytest.raises(BadInput, match="given: expected nothing: the row is in the table, found odds"):
        row_at(matches, plan, {}, key=key, time=day(0), given={"odds": 1}, event=True)


@pytest.fixture
def series() -> pl.DataFrame:
    """Two tickers; B's last bar is of day 2."""
    days = [0, 0, 1, 1, 2, 2, 3]
    return pl.DataFrame({
        "t": pl.Series([day(number) for number in days], dtype=pl.Datetime("us", "UTC")),
        "key": ["A", "B", "A", "B", "A", "B", "A"],
        "close": [1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0],
    })  # fmt: skip


@pytest.fixture
def price_plan(series: pl.DataFrame) -> FeaturePlan:
    entries = ["close", "change = diff(close)", "weekday()", "all = count(close) over close"]
    return FeaturePlan.of(entries, schema=series.schema, time="t", keys=("key",))


@pytest.mark.parametrize(
    ("key", "time", "close", "change"),
    [
        ("A", day(0), 1, None),
        ("A", day(1.5), 2, 1),
        ("A", day(2) - timedelta(microseconds=1), 2, 1),
        ("A", day(2).replace(tzinfo=None), 3, 1),
        ("A", day(2).astimezone(timezone(timedelta(hours=5))), 3, 1),
        ("B", day(99), 30, 10),
        ("A", datetime.max.replace(tzinfo=UTC), 4, 1),
    ],
)
def test_the_last_row_at_or_before_a_time(
    series: pl.DataFrame, price_plan: FeaturePlan, key: str, time: datetime, close: float, change: float | None
) -> None:
    found = row_at(series, price_plan, {}, key={"key": key}, time=time)
    assert (found.features["close"], found.features["change"]) == (close, change)


@pytest.mark.parametrize(
    ("key", "time", "message"),
    [
        (
            "A",
            day(-1),
            "time: no row of key A at or before 2023-12-31T00:00:00+00:00; the first is of 2024-01-01T00:00:00+00:00",
        ),
        ("C", day(1), "key.key: no key C; there are A, B"),
        ("", day(1), "key.key: no key ; there are A, B"),
    ],
)
def test_no_row_is_told(series: pl.DataFrame, price_plan: FeaturePlan, key: str, time: datetime, message: str) -> None:
    with pytest.raises(NoSuchRow) as caught:
        row_at(series, price_plan, {}, key={"key": key}, time=time)
    assert f"{caught.value.problem.field}: {caught.value.message}" == message


def test_values_that_never_had_a_row_together_are_told(series: pl.DataFrame) -> None:
    frame = series.with_columns(place=pl.when(pl.col("key") == "A").then(pl.lit("x")).otherwise(pl.lit("y")))
    plan = FeaturePlan.of(["close"], schema=frame.schema, time="t", keys=("key", "place"))
    with pytest.raises(NoSuchRow, match="no row of key A, place y, at any time"):
        row_at(frame, plan, {}, key={"key": "A", "place": "y"}, time=day(9))


@pytest.mark.parametrize(
    ("key", "time", "newest", "gap"),
    [
        ("A", day(0), day(0), timedelta(days=1)),
        ("A", day(2.9), day(2), timedelta(days=1)),
        ("B", day(99), day(2), timedelta(days=1)),
        ("C", day(2.5), day(1), timedelta(days=5)),
        ("D", day(99), day(3), timedelta(days=3)),
    ],
)
def test_the_row_says_how_new_it_is_and_how_long_one_ever_waited(
    series: pl.DataFrame, price_plan: FeaturePlan, key: str, time: datetime, newest: datetime, gap: timedelta
) -> None:
    more = pl.DataFrame(
        {"t": [day(1), day(6), day(3)], "key": ["C", "C", "D"], "close": [5.0, 6.0, 7.0]}, schema=series.schema
    )
    frame = pl.concat([series, more]).sort("t", "key")
    found = row_at(frame, price_plan, {}, key={"key": key}, time=time)
    assert (found.newest, found.widest_gap) == (newest, gap)


@pytest.mark.parametrize(
    ("features", "key", "newest"),
    [
        (["form = mean(ft_home, 2) over either(home, away)"], ("ars", "che"), day(2)),
        (["odds", "form = mean(before(ft_home), 2)"], ("ars", "che"), day(0)),
        (["odds", "form = mean(before(ft_home), 2)"], ("ars", "ars"), None),
    ],
)
def test_an_event_to_come_is_as_new_as_what_its_features_look_back_to(
    matches: pl.DataFrame, features: list[str], key: tuple[str, str], newest: datetime | None
) -> None:
    plan = FeaturePlan.of(features, schema=matches.schema, time="date", keys=("home", "away"))
    home, away = key
    found = row_at(matches, plan, {}, key={"home": home, "away": away}, time=day(9), event=True)
    assert found.newest == newest


@pytest.mark.parametrize("key", [{}, {"kez": "A"}, {"key": "A", "close": "1"}, {"key": "A", "Key": "B"}])
def test_the_key_has_the_key_columns(series: pl.DataFrame, price_plan: FeaturePlan, key: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="key"):
        row_at(series, price_plan, {}, key=key, time=day(1))


def test_a_series_takes_no_values(series: pl.DataFrame, price_plan: FeaturePlan) -> None:
    with pytest.raises(BadInput, match="given"):
        row_at(series, price_plan, {}, key={"key": "A"}, time=day(1), given={"close": 3})


def test_a_plain_table_has_no_key_and_time() -> None:
    wine = pl.DataFrame({"acid": [1.0]})
    plan = FeaturePlan.of(["acid"], schema=wine.schema, time=None, keys=())
    with pytest.raises(BadInput, match="the table has no time column"):
        row_at(wine, plan, {}, key={}, time=day(0))


def test_a_table_without_keys_needs_none(series: pl.DataFrame) -> None:
    alone = series.filter(pl.col("key") == "A").drop("key")
    plan = FeaturePlan.of(["diff(close)"], schema=alone.schema, time="t", keys=())
    assert row_at(alone, plan, {}, key={}, time=day(1.2)).features == {"diff(close, 1)": 1.0}
    with pytest.raises(NoSuchRow, match="no row of the table at or before"):
        row_at(alone, plan, {}, key={}, time=day(-9))


def test_groups_inside_groups_see_the_whole_past(series: pl.DataFrame) -> None:
    frame = series.with_columns(sector=pl.Series(["x", "y", "x", "x", "y", "x", "x"]))
    entries = [
        "a = cumulative(lag(count(close) over sector)) over key",
        "b = sum(count(close) over key, 2, 1) over sector",
    ]
    plan = FeaturePlan.of(entries, schema=frame.schema, time="t", keys=("key",))
    whole = plan.compute(frame, {})
    for row in range(frame.height):
        at = row_at(frame, plan, {}, key={"key": frame["key"][row]}, time=frame["t"][row])
        assert at.features == whole.row(row, named=True)
