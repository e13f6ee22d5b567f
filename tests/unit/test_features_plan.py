"""Plans on small tables, worked by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from forecastle.errors import BadInput
from forecastle.features.errors import BadExpression
from forecastle.features.expressions import parse
from forecastle.features.plan import MAX_FEATURES, FeaturePlan
from forecastle.features.table import least_lags

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + number * DAY


def at(days: Sequence[int]) -> pl.Series:
    return pl.Series("date", [day(number) for number in days], dtype=pl.Datetime("us", "UTC"))


def computed(
    frame: pl.DataFrame, expression: str, *, keys: tuple[str, ...] = (), time: str | None = "date"
) -> list[Any]:
    plan = FeaturePlan.of([f"x = {expression}"], schema=frame.schema, time=time, keys=keys)
    return plan.compute(frame, plan.fit(frame))["x"].to_list()


@pytest.fixture
def cities() -> pl.DataFrame:
    return pl.DataFrame({
        "date": at([0, 0, 1, 1, 2, 2, 3, 3]),
        "city": ["A", "B"] * 4,
        "Temp Max": [1.0, 10.0, 2.0, 20.0, None, 30.0, 4.0, 40.0],
        "rain": [True, False, True, True, None, False, True, True],
        "weather": ["sun", "fog", "rain", "rain", None, "sun", "sun", "fog"],
    })  # fmt: skip


@pytest.fixture
def matches() -> pl.DataFrame:
    """Four days of matches between teams; two matches on the third day."""
    return pl.DataFrame({
        "date": at([0, 1, 2, 2, 3]),
        "home": ["ars", "che", "ars", "liv", "che"],
        "away": ["che", "liv", "liv", "che", "ars"],
        "ft_home": [2.0, 1.0, 3.0, 0.0, 5.0],
        "ft_away": [0.0, 1.0, 4.0, 2.0, 6.0],
    })  # fmt: skip


def test_a_name_finds_its_column_without_case_and_punctuation(cities: pl.DataFrame) -> None:
    for name in ("temp_max", "TEMP_MAX", "`temp max`", "`Temp Max`"):
        plan = FeaturePlan.of([f"lag({name})"], schema=cities.schema, time="date", keys=("city",))
        assert plan.columns[0].expression == "lag(`Temp Max`, 1)"


def test_an_exact_name_wins_and_an_ambiguous_one_is_refused() -> None:
    schema = {"a_b": pl.Float64(), "A b": pl.Float64(), "t": pl.Datetime("us", "UTC")}
    assert FeaturePlan.of(["a_b"], schema=schema, time="t", keys=()).columns[0].expression == "a_b"
    with pytest.raises(BadExpression, match="expected one column, found A_B; did you mean `a_b` or `A b`"):
        FeaturePlan.of(["A_B"], schema=schema, time="t", keys=())


def test_each_key_has_its_own_history(cities: pl.DataFrame) -> None:
    assert computed(cities, "lag(temp_max)", keys=("city",)) == [None, None, 1, 10, 2, 20, None, 30]
    assert computed(cities, "lag(temp_max)") == [None, None, 10, 10, 20, 20, 30, 30]


def test_positions_count_rows_and_windows_count_observed_values(cities: pl.DataFrame) -> None:
    assert computed(cities, "diff(temp_max)", keys=("city",)) == [None, None, 1, 10, None, 10, None, 10]
    assert computed(cities, "mean(temp_max, 2)", keys=("city",)) == [None, None, 1.5, 15, None, 25, 3, 35]
    assert computed(cities, "mean(temp_max, 3, 1)", keys=("city",))[::2] == [1, 1.5, None, pytest.approx(7 / 3)]
    assert computed(cities, "before(temp_max)", keys=("city",)) == [None, None, 1, 10, 2, 20, 2, 30]


def test_booleans_are_numbers_and_categories_pass_through(cities: pl.DataFrame) -> None:
    assert computed(cities, "rain", keys=("city",)) == [1, 0, 1, 1, None, 0, 1, 1]
    assert computed(cities, "weather", keys=("city",)) == ["sun", "fog", "rain", "rain", None, "sun", "sun", "fog"]
    assert computed(cities, "lag(weather)", keys=("city",)) == [None, None, "sun", "fog", "rain", "rain", None, "sun"]
    assert computed(cities, "before(weather)", keys=("city",))[6] == "rain"
    assert computed(cities, "weather == 'sun'", keys=("city",)) == [1, 0, 0, 0, None, 1, 1, 0]
    assert computed(cities, "weather != lag(weather)", keys=("city",)) == [None, None, 1, 1, None, 1, None, 1]
    assert computed(cities, "isnull(weather)", keys=("city",)) == [0, 0, 0, 0, 1, 0, 0, 0]
    assert computed(cities, "weather == 'snow'", keys=("city",)) == [0, 0, 0, 0, None, 0, 0, 0]
    plan = FeaturePlan.of(["weather", "rain"], schema=cities.schema, time="date", keys=("city",))
    assert [column.kind for column in plan.columns] == ["category", "number"]
    assert plan.compute(cities, {}).dtypes == [pl.String, pl.Float64]


def test_arithmetic_comparison_and_logic(cities: pl.DataFrame) -> None:
    def value(expression: str) -> list[Any]:
        return computed(cities, expression, keys=("city",))[:5]

    assert value("temp_max * 2 - 1") == [1, 19, 3, 39, None]
    assert value("-temp_max / 0") == [None] * 5
    assert value("1 / (temp_max - 1)") == [None, 1 / 9, 1, 1 / 19, None]
    assert value("temp_max >= 2") == [0, 1, 1, 1, None]
    assert value("where(temp_max > 5, rain, -1)") == [-1, 0, -1, 1, None]
    assert value("coalesce(temp_max, lag(temp_max), 0)") == [1, 10, 2, 20, 2]
    assert value("and(rain, temp_max > 1)") == [0, 0, 1, 1, None]
    assert value("or(rain, temp_max > 5)") == [1, 1, 1, 1, None]
    assert value("not(rain)") == [0, 1, 0, 0, None]
    assert value("min(temp_max, 5, 15)") == [1, 5, 2, 5, None]
    assert value("max(temp_max, 5)") == [5, 10, 5, 20, None]
    assert value("clip(temp_max, 2, 9)") == [2, 9, 2, 9, None]
    assert value("log(temp_max - 1)") == [None, pytest.approx(np.log(9)), 0, pytest.approx(np.log(19)), None]
    assert value("2 + 3 * 4") == [14] * 5


def test_over_groups_by_another_column(cities: pl.DataFrame) -> None:
    assert computed(cities, "cumulative(rain) over weather", keys=("city",)) == [1, 0, 1, 2, None, 1, 2, 1]
    assert computed(cities, "lag(temp_max) over (city, weather)", keys=("city",))[5:] == [None, 1, 10]


def test_rows_without_the_group_have_no_value(cities: pl.DataFrame) -> None:
    assert computed(cities, "count(rain) over weather", keys=("city",))[4] is None


def test_rows_of_one_time_are_simultaneous(matches: pl.DataFrame) -> None:
    """Neither of the two matches of the third day is known to the other."""
    matches = matches.with_columns(league=pl.lit("epl"))
    assert computed(matches, "lag(ft_home) over league") == [None, 2, 1, 1, 0]
    assert computed(matches, "lag(ft_home, 2) over league") == [None, None, 2, 2, 3]
    assert computed(matches, "before(cumulative(ft_home)) over league") == [None, 2, 3, 3, 6]


def test_either_is_the_history_of_an_entity_in_whichever_role(matches: pl.DataFrame) -> None:
    goals = "either(ft_home, ft_away)"
    assert computed(matches, f"before(cumulative({goals})) over either(home, away)") == [None, 0, 2, 1, 3]
    mirrored = "before(cumulative(either(ft_away, ft_home))) over either(away, home)"
    assert computed(matches, mirrored) == [None, None, 1, 1, 5]
    assert computed(matches, f"before(mean({goals}, 2)) over either(home, away)") == [None, None, None, None, 1.5]


def test_either_takes_the_value_of_the_role(matches: pl.DataFrame) -> None:
    won = "before(cumulative(either(ft_home > ft_away, ft_away > ft_home))) over either(home, away)"
    assert computed(matches, won) == [None, 0, 1, 0, 1]
    played = "before(count(either(ft_home, ft_away))) over either(home, away)"
    assert computed(matches, played) == [None, 1, 1, 1, 3]
    opponent = "before(either(away, home)) over either(home, away)"
    assert computed(matches, opponent) == [None, "ars", "che", "che", "liv"]


def test_either_takes_what_a_fitted_function_learned(matches: pl.DataFrame) -> None:
    frame = pl.concat([matches.with_columns(pl.col("date") + 5 * turn * DAY) for turn in range(4)])
    upper = computed(frame, "mixture(ft_home)")
    assert set(upper) == {0, 1}
    assert computed(frame, "either(mixture(ft_home), ft_away) over either(home, away)") == upper


def test_groups_may_stand_inside_groups(matches: pl.DataFrame) -> None:
    nested = "mean(before(mean(ft_home, 5, 1)) over home, 2, 1) over away"
    assert computed(matches, nested) == [None, None, 2, None, 1]


HIDDEN = ("ft_home", "FT_AWAY")


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("ft_home", 1),
        ("ft_away + 1", 1),
        ("1 + mean(ft_home, 5)", 10),
        ("diff(ft_home)", 6),
        ("lag(ft_home) - ft_home", 16),
        ("ret(ft_home)", 5),
        ("mean(either(ft_home, ft_away), 5) over either(home, away)", 22),
        ("before(mean(home == away, 5)) over ft_home", 1),
    ],
)
def test_what_is_not_known_yet_cannot_be_used_at_the_row(matches: pl.DataFrame, expression: str, position: int) -> None:
    with pytest.raises(BadExpression, match="not known when the prediction is made") as caught:
        FeaturePlan.of([expression], schema=matches.schema, time="date", keys=(), hidden=HIDDEN)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "expression",
    [
        "lag(ft_home)",
        "before(ft_home)",
        "mean(lag(ft_home), 5)",
        "before(mean(either(ft_home, ft_away), 5)) over either(home, away)",
        "lag(before(diff(ft_home)) over home)",
    ],
)
def test_its_past_can(matches: pl.DataFrame, expression: str) -> None:
    FeaturePlan.of([expression], schema=matches.schema, time="date", keys=(), hidden=HIDDEN)


@pytest.mark.parametrize("expression", ["lag(ft_home)", "before(mean(lag(ft_home, 2), 2, 1)) over away"])
def test_the_hidden_values_of_a_row_have_no_part_in_its_features(matches: pl.DataFrame, expression: str) -> None:
    for row in range(matches.height):
        blanked = matches.with_columns(
            pl.when(pl.int_range(pl.len()) != row).then(pl.col(name)).alias(name) for name in ("ft_home", "ft_away")
        )
        assert computed(blanked, expression)[row] == computed(matches, expression)[row]


def test_least_lags_add_up_along_the_way() -> None:
    assert least_lags(parse("lag(a, 2) + lag(b) + lag(lag(a), 3) + c")) == {"a": 2, "b": 1, "c": 0}
    assert least_lags(parse("before(mean(lag(a, 2), 5) + b) over t")) == {"a": 3, "b": 1, "t": 0}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("temp_mx", "expected a column, found temp_mx; did you mean Temp Max?"),
        ("zzz", r"expected a column (Temp Max, city, date, rain, weather, …), found zzz"),
        ("date", "a number or a category, found the time date"),
        ("mean(weather)", "a number for x of mean, found the category weather"),
        ("weather + 1", "a number beside +, found the category weather"),
        ("weather > 'a'", "a number beside >, found the category weather"),
        ("weather == 1", "a number beside ==, found the category weather"),
        ("-weather", "a number after -, found the category weather"),
        ("'sun' * 2", 'a number beside *, found the text "sun"'),
        ("weekday(rain)", "a time for time of weekday, found the number rain"),
        ("days_until(rain)", "a time for dates of days_until, found the number rain"),
        ("lag(date)", "a number or a category for x of lag, found the time date"),
        ("sma()", "expected a column"),
        ("mean(rain) over date", "a column of names or numbers after over, found the time date"),
        ("mean(rain) over nowhere", "expected a column"),
        ("either(rain, rain)", "over either(...) of 2 role columns around either(...), found none"),
        ("mean(either(rain, rain)) over city", "around either(...), found none"),
        ("mean(either(rain, rain, rain)) over either(city, weather)", "of 3 role columns around either(...), found 2"),
        ("before(either(rain, weather)) over either(city, weather)", "a number as the first value of either(...)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_table_is_told(cities: pl.DataFrame, expression: str, message: str) -> None:
    with pytest.raises(BadExpression) as caught:
        FeaturePlan.of([expression], schema=cities.schema, time="date", keys=("city",))
    assert message in caught.value.message


def test_a_plain_table_takes_what_needs_no_order() -> None:
    wine = pl.DataFrame({"acid": [1.0, 4.0, None], "kind": ["red", "white", "red"], "born": at([0, 1, 2])})
    assert computed(wine, "sqrt(acid) + 1", time=None) == [2, 3, None]
    assert computed(wine, "kind", time=None) == ["red", "white", "red"]
    assert computed(wine, "day_of_month(born)", time=None) == [1, 2, 3]
    assert computed(wine, "mixture(acid)", time=None) == [None] * 3
    for expression in ("lag(acid)", "sma(acid)", "weekday()", "abs(acid) over kind", "days_until('2024-01-01')"):
        with pytest.raises(BadExpression, match="a table with a time column, found none"):
            computed(wine, expression, time=None)


def test_a_plan_has_features_each_of_its_own_name(cities: pl.DataFrame) -> None:
    def plan(features: Sequence[str]) -> FeaturePlan:
        return FeaturePlan.of(features, schema=cities.schema, time="date", keys=("city",))

    assert plan(["rain", "wet = rain"]).names == ("rain", "wet")
    for features in ([], ["rain"] * (MAX_FEATURES + 1), ["rain", "rain"], ["a = rain", "a = weather"]):
        with pytest.raises(BadInput, match="features: expected"):
            plan(features)


def test_entries_read_back_as_the_same_plan(cities: pl.DataFrame) -> None:
    entries = ["sma(temp_max)", "`a = b` = rain", "weather", "mean(rain, 2) over weather", "atr(14, rain, rain, rain)"]
    plan = FeaturePlan.of(entries, schema=cities.schema, time="date", keys=("city",))
    again = FeaturePlan.of([column.entry for column in plan.columns], schema=cities.schema, time="date", keys=("city",))
    assert again == plan


def test_states_are_kept_apart_by_what_they_were_learned_over(cities: pl.DataFrame) -> None:
    frame = pl.concat([cities.with_columns(date=pl.col("date") + 4 * n * DAY) for n in range(5)])
    entries = ["mixture(temp_max)", "mixture(lag(temp_max))", "mixture(lag(temp_max)) over weather"]
    plan = FeaturePlan.of(entries, schema=frame.schema, time="date", keys=("city",))
    states = plan.fit(frame)
    assert len(states) == 3
    assert all(isinstance(value, float) for state in states.values() for value in state.values())
    assert len({str(state) for state in states.values()}) == 3


def test_a_fitted_function_inside_another_learns_first(cities: pl.DataFrame) -> None:
    frame = pl.concat([cities.with_columns(date=pl.col("date") + 4 * n * DAY) for n in range(9)])
    plan = FeaturePlan.of(["mixture(mixture_probability(temp_max))"], schema=frame.schema, time="date", keys=("city",))
    values = plan.compute(frame, plan.fit(frame))
    assert set(values.to_series().drop_nulls()) == {0.0, 1.0}


@pytest.mark.parametrize("expression", ["mixture(temp_max)", "mean(1 + mixture2(temp_max, lag(temp_max, 1)), 2)"])
def test_without_what_is_learned_a_value_is_missing_where_its_inputs_are(cities: pl.DataFrame, expression: str) -> None:
    plan = FeaturePlan.of([f"x = {expression}"], schema=cities.schema, time="date", keys=())
    assert plan.learned.names
    fitted = plan.compute(cities, plan.fit(cities))["x"]
    unlearned = plan.unlearned.compute(cities, {})["x"]
    assert fitted.is_null().to_list() == unlearned.is_null().to_list()
    assert 0 < fitted.null_count() < cities.height
    assert unlearned.drop_nulls().n_unique() == 1


def test_a_plan_that_learns_nothing_is_the_same_without(cities: pl.DataFrame) -> None:
    plan = FeaturePlan.of(["lag(temp_max, 1)"], schema=cities.schema, time="date", keys=("city",))
    assert not plan.learned.names
    assert plan.unlearned == plan
