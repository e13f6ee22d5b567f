"""Values of windows: right, forgetful, and the same bits however they are asked for."""

import hashlib
import math
from collections.abc import Callable, Sequence
from statistics import stdev

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastle.features import engine as engine_module
from forecastle.features.engine import Engine
from forecastle.features.functions.declare import Values
from forecastle.features.functions.presence import Presence, settled, together
from forecastle.features.functions.runs import Runs
from forecastle.features.functions.windows import Evaluation, Local, evaluate
from forecastle.features.plan import FeaturePlan

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BLOCK = 16_384
ROUNDING = 8 * 2.0**-52

FORMULAS: dict[str, Callable[[int], Local]] = {
    "sums": lambda window: Local(window, lambda x: x.sums(window)),
    "means": lambda window: Local(window, lambda x: x.means(window)),
    "lowest": lambda window: Local(window, lambda x: x.lowest(window)),
    "highest": lambda window: Local(window, lambda x: x.highest(window)),
    "deviations": lambda window: Local(window, lambda x: x.deviations(window)),
    "population": lambda window: Local(window, lambda x: x.deviations(window, ddof=0)),
    "changes": lambda window: Local(window + 1, lambda x: x.values[window:] / x.values[:-window] - 1.0),
}

lengths = st.integers(1, 90)
plain = st.floats(-1e6, 1e6)
some = st.lists(plain | st.sampled_from([0.0, -0.0, 0.1, 1e300, -1e300, 1e-300]), min_size=1, max_size=80)
asked = st.lists(st.tuples(st.sampled_from(sorted(FORMULAS)), lengths), min_size=1, max_size=8)


def computed(name: str, values: Sequence[float] | Values, window: int) -> Values:
    return evaluate([FORMULAS[name](window)], [np.asarray(values, dtype=np.float64)])[0][0]


def halves(part: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Two halves where there is a power of two, else what is beyond the greatest power of two, and that."""
    power = 2 ** int(math.log2(len(part)))
    first = len(part) - power or power // 2
    return part[:first], part[first:]


def total(part: Sequence[float]) -> float:
    """The definition of a sum, value by value."""
    if len(part) == 1:
        return part[0]
    first, second = halves(part)
    return total(first) + total(second)


def squares(part: Sequence[float]) -> float:
    """The definition of a centred sum of squares (Chan, Golub and LeVeque), value by value."""
    if len(part) == 1:
        return 0.0
    first, second = halves(part)
    a, b = len(first), len(second)
    if a == b:
        difference = total(second) - total(first)
        between = difference * difference * (0.5 / a)
    else:
        scale = math.sqrt(a * b / (a + b))
        difference = total(second) * (scale / b) - total(first) * (scale / a)
        between = difference * difference
    return between + squares(first) + squares(second)


def deviation(part: Sequence[float]) -> float:
    found = math.sqrt(squares(part) / max(len(part) - 1, 1))
    return found * (found > abs(total(part) / len(part)) * ROUNDING)


DEFINITIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sums": total,
    "means": lambda part: total(part) / len(part),
    "lowest": min,
    "highest": max,
    "deviations": deviation,
}


@pytest.mark.parametrize("name", DEFINITIONS)
@given(values=st.lists(plain, min_size=1, max_size=80), window=lengths)
@UNHURRIED
def test_every_bit_is_by_the_definition(name: str, values: list[float], window: int) -> None:
    found = computed(name, values, window)
    expected = [DEFINITIONS[name](values[end - window : end]) for end in range(window, len(values) + 1)]
    assert np.isnan(found[: window - 1]).all()
    assert found[window - 1 :].tolist() == expected


@given(values=some, formulas=asked)
@UNHURRIED
def test_what_else_is_asked_for_makes_no_difference(values: list[float], formulas: list[tuple[str, int]]) -> None:
    series = np.array(values)
    with np.errstate(all="ignore"):
        jointly = evaluate([FORMULAS[name](window) for name, window in formulas], [series])
        for (name, window), (found, presence) in zip(formulas, jointly, strict=True):
            assert found.tobytes() == computed(name, series, window).tobytes()
            assert presence.places().tolist() == np.isfinite(found).tolist()


def test_windows_of_all_lengths_share_blocks() -> None:
    values = np.random.default_rng(4).normal(size=3 * BLOCK + 77)
    windows = [1, 2, 5, 64, 200, 1000, 9_999]
    formulas = [FORMULAS[name](window) for window in windows for name in FORMULAS]
    alone = [evaluate([each], [values])[0][0] for each in formulas]
    for (found, _), expected in zip(evaluate(formulas, [values]), alone, strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("window", [1, 2, 3, 63, 64, 65, 1000, 9_999])
def test_blocks_make_no_difference(window: int) -> None:
    values = np.random.default_rng(1).normal(size=40_000)
    whole = computed("means", values, window)
    for row in (window - 1, BLOCK - 1, BLOCK, 20_000, 2 * BLOCK - 1 + window, 39_999):
        if window <= row + 1 <= len(values):
            assert whole[row] == computed("means", values[row - window + 1 : row + 1], window)[-1]


def test_results_are_the_bits_that_models_were_trained_on() -> None:
    """A new digest here is another FEATURE_VERSION."""
    steps = np.arange(20_000)
    close = 100 + (steps * 7919 % 1009) / 64 + steps / 1000
    frame = pl.DataFrame({"time": pl.Series(steps * 60_000_000).cast(pl.Datetime("us", "UTC")), "close": close})
    functions = ("mean", "std", "zscore", "bollinger_lower", "lowest", "highest")
    entries = []
    for window in (2, 3, 7, 20, 63, 64, 200, 1000):
        entries += [f"{name}(close, {window})" for name in functions] + [f"cov(close, 1 / close, {window})"]
    columns = FeaturePlan.of(entries, schema=frame.schema, time="time", keys=()).compute(frame, {})
    found = hashlib.sha256(b"".join(column.to_numpy().tobytes() for column in columns)).hexdigest()
    assert found == "b34c037996842327b9d61393deb670e82e7476a25626c4c3b92e6f4a36237741"


@given(st.lists(plain, min_size=1, max_size=80), lengths)
@UNHURRIED
def test_sums_are_right_for_any_values(values: list[float], window: int) -> None:
    found = computed("sums", values, window)
    for end in range(window, len(values) + 1):
        assert found[end - 1] == pytest.approx(math.fsum(values[end - window : end]), rel=1e-12, abs=1e-9)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=60), st.integers(2, 40), st.sampled_from([0.0, 1e6, -1e8]))
@UNHURRIED
def test_deviations_keep_their_precision_far_from_zero(values: list[float], window: int, offset: float) -> None:
    shifted = [value + offset for value in values]
    found = computed("deviations", shifted, window)
    for end in range(window, len(values) + 1):
        exact = stdev(shifted[end - window : end])
        assert found[end - 1] == pytest.approx(exact, rel=1e-6, abs=1e-14 * abs(offset) + 1e-12)


def test_a_window_forgets_what_left_it() -> None:
    values = np.full(50_000, 0.1)
    values[:100] = 1e15
    assert set(computed("sums", values, 10)[200:]) == {computed("sums", np.full(10, 0.1), 10)[-1]}
    assert set(computed("deviations", values, 10)[200:]) == {0.0}


def test_what_is_shared_is_computed_once() -> None:
    runs = Runs(np.arange(20.0))
    assert runs.sums(6) is runs.sums(6)
    assert runs.deviations(6) is runs.deviations(6)
    assert runs.of(np.diff) is runs.of(np.diff)
    assert runs.of(np.diff).sums(4).tolist() == [4.0] * 16


def test_an_infinite_result_is_missing() -> None:
    with np.errstate(divide="ignore"):
        ((found, presence),) = evaluate([FORMULAS["changes"](1)], [np.array([1.0, 0.0, 3.0, 4.0])])
    np.testing.assert_array_equal(found, [np.nan, -1.0, np.nan, 4 / 3 - 1])
    assert presence.places().tolist() == [False, True, False, True]


@given(st.lists(st.sampled_from([1.0, 0.0, math.nan, math.inf, -math.inf]), max_size=40))
@UNHURRIED
def test_presence_is_where_values_are_finite(values: list[float]) -> None:
    finite = np.isfinite(values).astype(np.bool_)
    kept, presence = settled(np.array(values))
    np.testing.assert_array_equal(kept, np.where(finite, values, np.nan))
    assert presence.places().tolist() == finite.tolist()
    assert presence.complete == bool(finite.all())
    used = np.unpackbits(presence.bits(), bitorder="little")[: len(values)]
    assert used.tolist() == finite.tolist()


def test_a_constant_may_settle_too() -> None:
    for given_value, expected, complete in ((2.5, 2.5, True), (math.inf, math.nan, False)):
        value, presence = settled(np.asarray(given_value))
        np.testing.assert_equal(float(value), expected)
        assert presence.complete == complete


def test_presence_together_is_that_of_all() -> None:
    late, holed = Presence(4, first=1), Presence(4, mask=np.array([True, True, False, True]))
    assert together([Presence(4), Presence(4)]) is None
    both = together([late, Presence(4), holed])
    assert both is not None
    assert both.tolist() == [False, True, False, True]


def test_what_is_expected_of_a_series_is_computed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({
        "time": pl.Series(range(6)).cast(pl.Datetime("us", "UTC")), "close": [1.0, 2.0, 4.0, 3.0, 5.0, 9.0],
    })  # fmt: skip
    entries = ["sma(close, 2)", "sma(close, 3)", "std(close, 2)", "sma(2 * close, 2)", "sma(close, 2) over (day)"]
    frame = frame.with_columns(day=pl.lit(1))
    plan = FeaturePlan.of(entries, schema=frame.schema, time="time", keys=())
    engine = Engine(frame, "time", ())
    asked: list[int] = []

    def counted(formulas: Sequence[Local], series: Sequence[Values]) -> Evaluation:
        asked.append(len(formulas))
        return Evaluation(formulas, series)

    monkeypatch.setattr(engine_module, "Evaluation", counted)
    engine.expect(column.tree for column in plan.columns)
    assert sorted(asked) == [1, 1, 3]
    found = [engine.values(column.tree) for column in plan.columns]
    assert found[0][1:].tolist() == found[4][1:].tolist() == [1.5, 3, 3.5, 4, 7]
    assert found[3][1:].tolist() == [3, 6, 7, 8, 14]
    assert len(asked) == 3, "nothing is computed twice"
    late = FeaturePlan.of(["sma(close, 4)"], schema=frame.schema, time="time", keys=())
    assert engine.values(late.columns[0].tree)[3:].tolist() == [2.5, 3.5, 5.25]
