"""Compiled kernels say what NumPy says, threads what one thread says, TA-Lib without the lock what it says with it."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from forecastle.features import engine, threads
from forecastle.features.functions import indicators, kernels, runs, unlocked, windows
from forecastle.features.functions.declare import Values
from forecastle.features.functions.memory import empty
from forecastle.features.functions.presence import settled, settled_recursion
from forecastle.features.functions.runs import Runs
from forecastle.features.plan import FeaturePlan

ROOT = Path(__file__).parents[2]

needs_kernels = pytest.mark.skipif(kernels.kernels() is None, reason="there was no C compiler at the set-up")
series = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.1, 1e300, -1e300, 1e-300]), min_size=1, max_size=90)
lengths = st.integers(1, 90)


@contextmanager
def in_numpy() -> Iterator[None]:
    none: Callable[[], None] = lambda: None  # noqa: E731 - a name with a type
    with (
        patch.object(runs, "kernels", none),
        patch.object(kernels, "kernels", none),
        patch.object(indicators, "kernels", none),
    ):
        yield


def walk(rows: int, seed: int = 3) -> Values:
    return np.asarray(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, rows))))


def of_runs(values: Values, window: int) -> list[Values]:
    with np.errstate(all="ignore"):
        known = Runs(values)
        return [
            known.means(window), known.lowest(window), known.highest(window),
            known.deviations(window), known.deviations(window, ddof=0),
        ]  # fmt: skip


@needs_kernels
@given(series, lengths)
def test_runs_have_the_same_bits_compiled_and_in_numpy(values: list[float], window: int) -> None:
    if window > len(values):
        return
    compiled = of_runs(np.array(values), window)
    with in_numpy():
        plain = of_runs(np.array(values), window)
    for ours, theirs in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_kernels
@pytest.mark.parametrize("window", [2, 63, 64, 255, 256, 257, 1023, 1024, 5_000])
def test_pieces_of_a_long_series_join_without_a_seam(window: int) -> None:
    values = walk(20_000)
    compiled = of_runs(values, window)
    with in_numpy():
        plain = of_runs(values, window)
    for ours, theirs in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_kernels
def test_a_constant_series_does_not_deviate() -> None:
    assert not Runs(np.full(5_000, 0.1)).deviations(20).any()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=70))
def test_a_series_is_finite_where_numpy_says_so(values: list[float]) -> None:
    assert kernels.finite(np.array(values)) == bool(np.isfinite(values).all())
    assert kernels.finite(np.array(values + values)[::2]) == bool(np.isfinite((values + values)[::2]).all())


@needs_kernels
@pytest.mark.parametrize("rows", [0, 1, 2, 21, 22, 23, 1_000])
def test_recursions_side_by_side_are_those_of_talib(rows: int) -> None:
    values = walk(rows)
    windows = [21, 2, 200, 5, 3, 50, 10, 14, 7, 22, 21]
    found = {"EMA": indicators.ema, "RSI": indicators.rsi}
    for name, function in found.items():
        ours = function.kernel(values, [(window,) for window in windows])
        for window, result in zip(windows, ours, strict=True):
            expected = getattr(talib, name)(values, window) if rows else values
            np.testing.assert_allclose(result, expected, rtol=1e-11, err_msg=f"{name} {window}")


@needs_kernels
def test_the_strength_of_what_does_not_move_is_nothing() -> None:
    (still,) = indicators.rsi.kernel(np.full(50, 3.0), [(14,)])
    (rising,) = indicators.rsi.kernel(np.arange(50.0), [(14,)])
    assert still[14:].tolist() == [0.0] * 36
    assert rising[14:] == pytest.approx(100.0)


def test_a_recursion_that_overflows_stays_missing() -> None:
    values = np.array([1.0, 1.7e308, -1.7e308] + [5.0, 4.0, 6.0] * 10)
    with np.errstate(all="ignore"):
        for function in (indicators.ema, indicators.rsi):
            (result,) = function.kernel(values, [(2,)])
            assert not np.isfinite(result[4:]).any()
            assert not settled_recursion(result)[1].places()[4:].any()


def test_a_recursion_in_company_is_what_it_is_alone() -> None:
    values = walk(500)
    for function in (indicators.ema, indicators.rsi):
        together = function.kernel(values, [(5,), (14,), (30,)])
        for window, result in zip((5, 14, 30), together, strict=True):
            assert result.tobytes() == function.kernel(values, [(window,)])[0].tobytes()


@pytest.mark.parametrize(
    ("name", "inputs", "options", "results"),
    [
        ("EMA", 1, (12,), 1), ("DEMA", 1, (12,), 1), ("TEMA", 1, (12,), 1), ("TRIX", 1, (9,), 1), ("RSI", 1, (14,), 1),
        ("CMO", 1, (14,), 1), ("MACD", 1, (12, 26, 9), 3), ("WILLR", 3, (14,), 1), ("ATR", 3, (14,), 1),
        ("NATR", 3, (14,), 1), ("ADX", 3, (14,), 1), ("PLUS_DI", 3, (14,), 1), ("MINUS_DI", 3, (14,), 1),
        ("AROON", 2, (14,), 2), ("SAR", 2, (0.02, 0.2), 1), ("OBV", 2, (), 1), ("ADOSC", 4, (3, 10), 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rows", [1, 15, 400])
def test_talib_says_the_same_without_the_lock(
    name: str, inputs: int, options: tuple[float, ...], results: int, rows: int
) -> None:
    close = walk(rows)
    arrays = [close * 1.01, close * 0.99, close, close * 1e3][:inputs]
    found = unlocked.indicators(name, arrays, *options, results=results)
    expected = getattr(talib, name)(*arrays, *options)
    for ours, theirs in zip(found, expected if results > 1 else [expected], strict=True):
        assert ours.tobytes() == theirs.tobytes()
    with patch.object(unlocked, "_library", lambda: None):
        locked = unlocked.indicators(name, arrays, *options, results=results)
    assert [each.tobytes() for each in locked] == [each.tobytes() for each in found]


def test_an_option_that_talib_refuses_is_an_error() -> None:
    with pytest.raises(ValueError, match="EMA takes no"):
        unlocked.indicator("EMA", [walk(50)], -5)


def test_memory_for_long_results_is_like_any_other() -> None:
    for size in (0, 10, 3_000_001):
        values = empty(size)
        values[:] = 1.5
        assert len(values) == size
        assert values.sum() == 1.5 * size


def test_a_recursion_is_settled_by_its_ends() -> None:
    nan, inf = np.nan, np.inf
    for values in ([nan, nan, 1.0, 2.0], [1.0], [], [nan, 1.0, inf, nan], [nan, nan], [1.0, inf]):
        ours, theirs = settled_recursion(np.array(values)), settled(np.array(values))
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1].places().tolist() == theirs[1].places().tolist()


ENTRIES = [
    "sma(close, 20)", "ema(close, 9)", "ema(close, 30)", "rsi(close, 14)", "macd_signal(close)", "bollinger_percent()",
    "atr(14)", "ret(close, 5)", "logret(close)", "ema(sma(close, 5), 7)", "std(ret(close, 1), 30)", "highest(high, 9)",
    "rank(close, 5)", "adx(14)", "hour(time)",
]  # fmt: skip


def bars(rows: int, *, keys: int = 1) -> pl.DataFrame:
    close = walk(rows)
    minutes = np.arange(rows) // keys * 60_000_000
    return pl.DataFrame({
        "time": pl.Series(minutes).cast(pl.Datetime("us", "UTC")), "key": [str(row % keys) for row in range(rows)],
        "high": close * 1.01, "low": close * 0.99, "close": close,
    })  # fmt: skip


@pytest.mark.parametrize("keys", [1, 3])
def test_threads_make_no_difference(monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    frame = bars(6_000, keys=keys)
    plan = FeaturePlan.of(ENTRIES, schema=frame.schema, time="time", keys=("key",) if keys > 1 else ())
    alone = plan.compute(frame, {})
    run, asked = threads.run, []

    def watched(kinds: Sequence[Sequence[threads.Task]], *, most: int) -> None:
        asked.append(most)
        run(kinds, most=most)

    monkeypatch.setattr(engine, "_WORTH_THREADS", 1)
    monkeypatch.setattr(windows, "_BLOCK", 300)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(threads, "run", watched)
    assert plan.compute(frame, {}).equals(alone)
    assert set(asked) == {4}


def test_without_compiled_kernels_features_are_the_same() -> None:
    frame = bars(3_000)
    plan = FeaturePlan.of(ENTRIES, schema=frame.schema, time="time", keys=())
    compiled = plan.compute(frame, {})
    with in_numpy():
        plain = plan.compute(frame, {})
    for name in plan.names:
        np.testing.assert_allclose(
            compiled[name].to_numpy(), plain[name].to_numpy(), rtol=1e-9, atol=1e-9, err_msg=name
        )


def test_each_task_runs_once_whatever_the_threads() -> None:
    done: list[int] = []
    kinds = [[lambda place=place: done.append(place) for place in range(first, first + 40)] for first in (0, 100)]
    for most in (1, 2, 5, 200):
        done.clear()
        threads.run([*kinds, []], most=most)
        assert sorted(done) == [*range(40), *range(100, 140)]
    threads.run([], most=3)


def test_kinds_run_side_by_side() -> None:
    meeting = threading.Barrier(3)

    def meet() -> None:
        meeting.wait(timeout=30)

    threads.run([[meet], [meet], [meet]], most=3)


def test_the_error_of_a_task_is_that_of_all() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    for kinds in ([[fail], [lambda: None]], [[lambda: None], [fail]]):
        with pytest.raises(ZeroDivisionError):
            threads.run(kinds, most=2)


@pytest.mark.parametrize("compiler", ["false", "/no/such/compiler"])
def test_a_build_without_a_compiler_leaves_no_library(tmp_path: Path, compiler: str) -> None:
    library = tmp_path / "kernels.so"
    tried = subprocess.run(
        [sys.executable, "-c", f"import hatch_build as b, pathlib; b.compile_to(pathlib.Path({str(library)!r}), [])"],
        cwd=ROOT, env={"CC": compiler}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert tried.returncode != 0
    assert compiler in tried.stderr
    assert not list(tmp_path.iterdir())
