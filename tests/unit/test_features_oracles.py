"""Kernels against slow plain-Python definitions."""

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from statistics import fmean, median, pstdev, stdev

import numpy as np
import polars as pl
import pytest

from forecastle.features.plan import FeaturePlan

Numbers = Sequence[float]
Bars = dict[str, list[float]]
ROWS = 130


@cache
def frame() -> pl.DataFrame:
    random = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, ROWS)))
    opening = close * np.exp(random.normal(0, 0.01, ROWS))
    start = datetime(2024, 1, 30, 22, 15, tzinfo=UTC)
    columns = {
        "time": pl.Series([start + timedelta(hours=11 * i) for i in range(ROWS)], dtype=pl.Datetime("us", "UTC")),
        "open": opening,
        "high": np.maximum(opening, close) * (1 + random.uniform(0, 0.02, ROWS)),
        "low": np.minimum(opening, close) * (1 - random.uniform(0, 0.02, ROWS)),
        "close": close,
        "volume": random.integers(0, 500, ROWS).astype(float),
        "other": 20 * np.exp(np.cumsum(random.normal(0, 0.02, ROWS))),
        "due": pl.Series([start + timedelta(hours=13 * i) for i in range(ROWS)], dtype=pl.Datetime("us", "UTC")),
    }
    return pl.DataFrame(columns)


def bars() -> Bars:
    return {name: frame()[name].to_list() for name in frame().columns}


def computed(expression: str) -> list[float | None]:
    plan = FeaturePlan.of([f"x = {expression}"], schema=frame().schema, time="time", keys=())
    return plan.compute(frame(), {})["x"].to_list()


def rolled(measure: Callable[..., float], window: int, *series: Numbers) -> list[float | None]:
    return [
        measure(*(values[end - window : end] for values in series)) if end >= window else None
        for end in range(1, len(series[0]) + 1)
    ]


def ema(values: Sequence[float | None], window: int) -> list[float | None]:
    """Seeded with the mean of the first `window` values."""
    known = [value for value in values if value is not None]
    out: list[float | None] = [None] * (len(values) - len(known) + window - 1)
    level = fmean(known[:window])
    out.append(level)
    for value in known[window:]:
        level += 2 / (window + 1) * (value - level)
        out.append(level)
    return out


def wilder(values: Numbers, window: int) -> list[float]:
    """Wilder's smoothing from the `window`-th value on."""
    level = fmean(values[:window])
    out = [level]
    for value in values[window:]:
        level = (level * (window - 1) + value) / window
        out.append(level)
    return out


def rsi(close: Numbers, window: int) -> list[float | None]:
    changes = [b - a for a, b in itertools.pairwise(close)]
    gains = wilder([max(change, 0) for change in changes], window)
    losses = wilder([max(-change, 0) for change in changes], window)
    return [None] * window + [100 * up / (up + down) for up, down in zip(gains, losses, strict=True)]


def true_ranges(b: Bars) -> list[float]:
    return [
        max(high - low, abs(high - close), abs(low - close))
        for high, low, close in zip(b["high"][1:], b["low"][1:], b["close"], strict=False)
    ]


def atr(b: Bars, window: int) -> list[float | None]:
    return [None] * window + [*wilder(true_ranges(b), window)]


def adx(b: Bars, window: int) -> list[float | None]:
    """Wilder's directional movement: sums start over `window` - 1 rows, as TA-Lib does."""
    up = [max(h1 - h0, 0) if h1 - h0 > l0 - l1 else 0 for h0, h1, l0, l1 in _moves(b)]
    down = [max(l0 - l1, 0) if l0 - l1 > h1 - h0 else 0 for h0, h1, l0, l1 in _moves(b)]
    plus, minus, spans = (_sums(values, window) for values in (up, down, true_ranges(b)))
    ratios = [
        100 * abs(p / s - m / s) / (p / s + m / s) for p, m, s in zip(plus[1:], minus[1:], spans[1:], strict=True)
    ]
    return [None] * (2 * window - 1) + [*wilder(ratios, window)]


def _moves(b: Bars) -> list[tuple[float, float, float, float]]:
    return list(zip(b["high"], b["high"][1:], b["low"], b["low"][1:], strict=False))


def _sums(values: Numbers, window: int) -> list[float]:
    level = math.fsum(values[: window - 1])
    out = [level]
    for value in values[window - 1 :]:
        level += value - level / window
        out.append(level)
    return out


def macd(close: Numbers) -> list[float | None]:
    fast, slow = ema(close[14:], 12), ema(close, 26)
    return [None if s is None else f - s for f, s in zip([None] * 14 + fast, slow, strict=True)]  # type: ignore[operator]


def signal(close: Numbers) -> list[float | None]:
    return ema(macd(close), 9)


def typical(b: Bars) -> list[float]:
    return [(h + low + c) / 3 for h, low, c in zip(b["high"], b["low"], b["close"], strict=True)]


def mfi(b: Bars, window: int) -> list[float | None]:
    prices = typical(b)
    flows = [(p1 - p0, p1 * v) for p0, p1, v in zip(prices, prices[1:], b["volume"][1:], strict=False)]

    def share(part: Sequence[tuple[float, float]]) -> float:
        up = math.fsum(flow for change, flow in part if change > 0)
        down = math.fsum(flow for change, flow in part if change < 0)
        return 100 * up / (up + down)

    return [None, *rolled(share, window, flows)]  # type: ignore[arg-type]


def cci(b: Bars, window: int) -> list[float | None]:
    def distance(part: Numbers) -> float:
        return (part[-1] - fmean(part)) / (0.015 * fmean(abs(value - fmean(part)) for value in part))

    return rolled(distance, window, typical(b))


def raw_k(b: Bars, window: int) -> list[float | None]:
    return rolled(
        lambda h, low, c: 100 * (c[-1] - min(low)) / (max(h) - min(low)), window, b["high"], b["low"], b["close"]
    )


def smoothed(values: Sequence[float | None], window: int) -> list[float | None]:
    known = [value for value in values if value is not None]
    return [None] * (len(values) - len(known)) + rolled(fmean, window, known)


def obv(b: Bars) -> list[float | None]:
    total, out = b["volume"][0], [b["volume"][0]]
    for before, now, volume in zip(b["close"], b["close"][1:], b["volume"][1:], strict=False):
        total += volume * ((now > before) - (now < before))
        out.append(total)
    return [*out]


def returns(values: Numbers) -> list[float]:
    return [b / a - 1 for a, b in itertools.pairwise(values)]


def logs(values: Numbers) -> list[float]:
    return [math.log(b / a) for a, b in itertools.pairwise(values)]


def beta(own: Numbers, other: Numbers) -> float:
    x, y = fmean(other), fmean(own)
    return math.fsum((b - x) * (a - y) for a, b in zip(own, other, strict=True)) / math.fsum(
        (b - x) ** 2 for b in other
    )


def amihud(b: Bars, window: int) -> list[float | None]:
    impacts = [
        1e6 * abs(change) / (price * volume) if volume else None
        for change, price, volume in zip(returns(b["close"]), b["close"][1:], b["volume"][1:], strict=True)
    ]

    def average(part: Sequence[float | None]) -> float:
        return fmean(value for value in part if value is not None)

    return [None, *rolled(average, window, impacts)]  # type: ignore[arg-type]


def slope(part: Numbers) -> float:
    centre, average = (len(part) - 1) / 2, fmean(part)
    return math.fsum((i - centre) * (value - average) for i, value in enumerate(part)) / math.fsum(
        (i - centre) ** 2 for i in range(len(part))
    )


def streak(b: Bars) -> list[float | None]:
    out: list[float | None] = [None]
    run = 0.0
    for before, now in zip(b["close"], b["close"][1:], strict=False):
        run = run + 1 if now > before else 0
        out.append(run)
    return out


ORACLES: dict[str, Callable[[Bars], list[float | None]]] = {
    "ret(close, 3)": lambda b: [None] * 3 + [x / y - 1 for x, y in zip(b["close"][3:], b["close"], strict=False)],
    "logret()": lambda b: [None, *logs(b["close"])],
    "diff(close, 2)": lambda b: [None] * 2 + [x - y for x, y in zip(b["close"][2:], b["close"], strict=False)],
    "mean(volume, 7)": lambda b: rolled(fmean, 7, b["volume"]),
    "mean(volume, 7, 2)": lambda b: [None] + [fmean(b["volume"][max(0, i - 6) : i + 1]) for i in range(1, ROWS)],
    "sum(volume, 13)": lambda b: rolled(math.fsum, 13, b["volume"]),
    "std(close, 20)": lambda b: rolled(stdev, 20, b["close"]),
    "zscore(close, 11)": lambda b: rolled(lambda p: (p[-1] - fmean(p)) / stdev(p), 11, b["close"]),
    "lowest(low, 9)": lambda b: rolled(min, 9, b["low"]),
    "highest(high, 64)": lambda b: rolled(max, 64, b["high"]),
    "median(close, 8)": lambda b: rolled(median, 8, b["close"]),
    "rank(close, 10)": lambda b: rolled(lambda p: sum(v < p[-1] for v in p) / 9, 10, b["close"]),
    "slope(close, 12)": lambda b: rolled(slope, 12, b["close"]),
    "skew(close, 15)": lambda b: rolled(
        lambda p: fmean((v - fmean(p)) ** 3 for v in p) / pstdev(p) ** 3, 15, b["close"]
    ),
    "kurtosis(close, 15)": lambda b: rolled(
        lambda p: fmean((v - fmean(p)) ** 4 for v in p) / pstdev(p) ** 4 - 3, 15, b["close"]
    ),
    "streak(close > lag(close, 1))": streak,
    "sma(close, 20)": lambda b: rolled(fmean, 20, b["close"]),
    "ema(close, 10)": lambda b: ema(b["close"], 10),
    "wma(close, 4)": lambda b: rolled(lambda p: (p[0] + 2 * p[1] + 3 * p[2] + 4 * p[3]) / 10, 4, b["close"]),
    "rsi(close, 14)": lambda b: rsi(b["close"], 14),
    "macd()": lambda b: [None] * 33 + macd(b["close"])[33:],
    "bollinger_upper()": lambda b: rolled(lambda p: fmean(p) + 2 * pstdev(p), 20, b["close"]),
    "bollinger_lower(close, 10, 1.5)": lambda b: rolled(lambda p: fmean(p) - 1.5 * pstdev(p), 10, b["close"]),
    "bollinger_percent()": lambda b: rolled(
        lambda p: (p[-1] - fmean(p) + 2 * pstdev(p)) / (4 * pstdev(p)), 20, b["close"]
    ),
    "bollinger_width()": lambda b: rolled(lambda p: 4 * pstdev(p) / fmean(p), 20, b["close"]),
    "stoch_k(14, 3, 5)": lambda b: [None] * 19 + smoothed(raw_k(b, 14), 3)[19:],
    "willr(14)": lambda b: [None if k is None else k - 100 for k in raw_k(b, 14)],
    "atr(14)": lambda b: atr(b, 14),
    "natr(7)": lambda b: [a and 100 * a / c for a, c in zip(atr(b, 7), b["close"], strict=True)],
    "adx(14)": lambda b: adx(b, 14),
    "cci(20)": lambda b: cci(b, 20),
    "mfi(14)": lambda b: mfi(b, 14),
    "roc(close, 5)": lambda b: [None] * 5 + [100 * (b["close"][i] / b["close"][i - 5] - 1) for i in range(5, ROWS)],
    "obv()": obv,
    "amihud(10)": lambda b: amihud(b, 10),
    "volume_zscore(12)": lambda b: rolled(lambda p: (p[-1] - fmean(p)) / stdev(p), 12, b["volume"]),
    "ibs()": lambda b: [(c - low) / (h - low) for h, low, c in zip(b["high"], b["low"], b["close"], strict=True)],
    "true_range()": lambda b: [None, *true_ranges(b)],
    "parkinson(10)": lambda b: rolled(
        lambda h, low: math.sqrt(fmean(math.log(x / y) ** 2 for x, y in zip(h, low, strict=True)) / (4 * math.log(2))),
        10, b["high"], b["low"],
    ),
    "vwap_distance(6)": lambda b: rolled(
        lambda c, t, v: c[-1] * math.fsum(v) / math.fsum(p * q for p, q in zip(t, v, strict=True)) - 1,
        6, b["close"], typical(b), b["volume"],
    ),
    "volatility(close, 10)": lambda b: [None, *rolled(stdev, 10, logs(b["close"]))],
    "momentum(close, 10)": lambda b: rolled(
        lambda p: (p[-1] / p[0] - 1) / (stdev(logs(p)) * math.sqrt(10)), 11, b["close"]
    ),
    "efficiency(close, 6)": lambda b: rolled(
        lambda p: abs(p[-1] - p[0]) / sum(abs(y - x) for x, y in itertools.pairwise(p)), 7, b["close"]
    ),
    "beta(close, other, 20)": lambda b: [None, *rolled(beta, 20, returns(b["close"]), returns(b["other"]))],
    "residual_return(close, other, 20)": lambda b: [
        None, *rolled(lambda x, y: x[-1] - beta(x, y) * y[-1], 20, returns(b["close"]), returns(b["other"]))
    ],
    "relative_strength(close, other, 5)": lambda b: [None] * 5 + [
        b["close"][i] / b["close"][i - 5] / (b["other"][i] / b["other"][i - 5]) - 1 for i in range(5, ROWS)
    ],
    "variance_risk_premium(close, other, 21)": lambda b: [None] * 21 + [
        (b["other"][i] / 100) ** 2 - 252 * fmean(r * r for r in logs(b["close"])[i - 21 : i]) for i in range(21, ROWS)
    ],
    "sma_distance(close, 30)": lambda b: rolled(lambda p: p[-1] / fmean(p) - 1, 30, b["close"]),
}  # fmt: skip


@pytest.mark.parametrize("expression", ORACLES)
def test_equals_its_definition(expression: str) -> None:
    expected, found = ORACLES[expression](bars()), computed(expression)
    assert len(expected) == len(found)
    assert [value is None for value in found] == [value is None for value in expected]
    assert [v for v in found if v is not None] == pytest.approx(
        [v for v in expected if v is not None], rel=1e-9, abs=1e-12
    )


def test_signal_and_histogram_of_macd() -> None:
    line, smooth = macd(bars()["close"]), signal(bars()["close"])
    histogram = [m - s for m, s in zip(line, smooth, strict=True) if m is not None and s is not None]
    assert computed("macd_signal()")[33:] == pytest.approx(smooth[33:])
    assert computed("macd_histogram()")[33:] == pytest.approx(histogram)


def test_regime_is_trend_times_volatility() -> None:
    close = bars()["close"]
    noise = [None, *rolled(stdev, 5, logs(close))]
    for row, found in enumerate(computed("regime(close, 10, 5, 20)")):
        if row < 24:
            assert found is None
        else:
            rising = close[row] > fmean(close[row - 9 : row + 1])
            wild = noise[row] > fmean(noise[row - 19 : row + 1])  # type: ignore[operator,arg-type]
            assert found == 2 * rising + wild


@pytest.mark.parametrize(
    ("expression", "measure"),
    [
        ("minute_of_day()", lambda t: t.hour * 60 + t.minute),
        ("weekday()", lambda t: t.weekday()),
        ("month()", lambda t: t.month),
        ("day_of_month()", lambda t: t.day),
        ("day_of_year()", lambda t: t.timetuple().tm_yday),
        ("year()", lambda t: t.year),
        ("hour()", lambda t: t.hour),
        ("month_sin()", lambda t: math.sin(2 * math.pi * t.month / 12)),
        ("weekday_cos()", lambda t: math.cos(2 * math.pi * t.weekday() / 7)),
        ("minute_of_day_sin()", lambda t: math.sin(2 * math.pi * (t.hour * 60 + t.minute) / 1440)),
        ("day_of_year_cos()", lambda t: math.cos(2 * math.pi * (t.timetuple().tm_yday - 1) / 366)),
    ],
)
def test_calendar_terms(expression: str, measure: Callable[[datetime], float]) -> None:
    assert computed(expression) == pytest.approx([measure(moment) for moment in frame()["time"]])


def test_days_until_the_next_date_or_a_column() -> None:
    dates = [datetime(2024, 2, 14, tzinfo=UTC), datetime(2024, 3, 1, 12, tzinfo=UTC)]
    found = computed('days_until("2024-03-01T12:00", "2024-02-14")')
    for moment, days in zip(frame()["time"], found, strict=True):
        ahead = [(date - moment) / timedelta(days=1) for date in dates if date >= moment]
        assert days == (pytest.approx(min(ahead)) if ahead else None)
    assert computed("days_until(due)")[:3] == pytest.approx([0, 2 / 24, 4 / 24])
    assert set(computed("days_until(time)")) == {0.0}
