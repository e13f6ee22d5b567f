"""Technical indicators. Definitions, seeds and warm-up follow TA-Lib; sums over windows are free of drift."""

from collections.abc import Mapping, Sequence

import numpy as np

from forecastle.features.functions.declare import (
    Count,
    Parameter,
    Real,
    Series,
    Values,
    local,
    outputs,
    recursion,
    window,
)
from forecastle.features.functions.kernels import kernels
from forecastle.features.functions.runs import Runs, accumulate
from forecastle.features.functions.unlocked import indicator, indicators
from forecastle.features.functions.windows import Local, change

_HIGH, _LOW, _CLOSE, _VOLUME = Series("high"), Series("low"), Series("close"), Series("volume")
_BANDS: Mapping[str, Parameter] = {
    "x": Series("close"),
    "window": Count(20, least=2),
    "width": Real(2.0, least=0.01, most=100),
}
_STOCHASTIC: Mapping[str, Parameter] = {
    "window": Count(14),
    "smooth": Count(3),
    "signal": Count(3),
    "high": _HIGH,
    "low": _LOW,
    "close": _CLOSE,
}


@local("sma(close, 20)", x=Series("close"), window=Count(20))
def sma(window: int) -> Local:
    """Simple moving average of the last `window` values."""
    return Local.plain(Runs.means, window)


@recursion("ema(close, 20)", x=Series("close"), window=Count(20, least=2))
def ema(x: Values, options: Sequence[tuple[int]]) -> list[Values]:
    """Exponential moving average, weight 2 / (window + 1), seeded with the mean of the first `window` values."""
    windows = [window for (window,) in options]
    compiled = kernels()
    return compiled.emas(x, windows) if compiled else [indicator("EMA", [x], window) for window in windows]


@local("wma(close, 20)", x=Series("close"), window=Count(20, least=2))
def wma(window: int) -> Local:
    """Moving average with weights 1, 2, …, `window`, the newest value weighing most."""

    def formula(x: Runs) -> Values:
        total = accumulate(lambda values, place: (place + 1.0) * values, x.values, window)
        return total / (window * (window + 1) / 2)

    return Local(window, formula)


@window("dema(close, 20)", x=Series("close"), window=Count(20, least=2))
def dema(x: Values, window: int) -> Values:
    """Double exponential moving average: 2·EMA - EMA(EMA)."""
    return indicator("DEMA", [x], window)


@window("tema(close, 20)", x=Series("close"), window=Count(20, least=2))
def tema(x: Values, window: int) -> Values:
    """Triple exponential moving average: 3·EMA - 3·EMA(EMA) + EMA(EMA(EMA))."""
    return indicator("TEMA", [x], window)


@window("trix(close, 15)", x=Series("close"), window=Count(15))
def trix(x: Values, window: int) -> Values:
    """One-row change of a triple-smoothed exponential moving average, in percent."""
    return indicator("TRIX", [x], window)


@local("bollinger_upper(close, 20, 2)", **_BANDS)
def bollinger_upper(window: int, width: float) -> Local:
    """Upper Bollinger band: mean plus `width` standard deviations (n)."""
    return Local(window, lambda x: x.means(window) + _half(x, window, width))


@local("bollinger_lower(close, 20, 2)", **_BANDS)
def bollinger_lower(window: int, width: float) -> Local:
    """Lower Bollinger band: mean less `width` standard deviations (n)."""
    return Local(window, lambda x: _lower(x, window, width))


@local("bollinger_percent(close, 20, 2)", **_BANDS)
def bollinger_percent(window: int, width: float) -> Local:
    """Where the value stands between the lower (0) and the upper (1) Bollinger band."""

    def formula(x: Runs) -> Values:
        return (x.values[window - 1 :] - _lower(x, window, width)) / (2 * _half(x, window, width))

    return Local(window, formula)


@local("bollinger_width(close, 20, 2)", **_BANDS)
def bollinger_width(window: int, width: float) -> Local:
    """Distance between the Bollinger bands as a share of their middle."""
    return Local(window, lambda x: 2 * _half(x, window, width) / x.means(window))


def _lower(x: Runs, window: int, width: float) -> Values:
    return x.means(window) - _half(x, window, width)


def _half(x: Runs, window: int, width: float) -> Values:
    """Half the distance between the Bollinger bands."""
    return x.deviations(window, ddof=0) * width


@recursion("rsi(close, 14)", x=Series("close"), window=Count(14, least=2))
def rsi(x: Values, options: Sequence[tuple[int]]) -> list[Values]:
    """Relative strength index (0-100) with Wilder's smoothing."""
    windows = [window for (window,) in options]
    compiled = kernels()
    return compiled.rsis(x, windows) if compiled else [indicator("RSI", [x], window) for window in windows]


@window("cmo(close, 14)", x=Series("close"), window=Count(14, least=2))
def cmo(x: Values, window: int) -> Values:
    """Chande momentum oscillator (-100 to 100) with Wilder's smoothing."""
    return indicator("CMO", [x], window)


@outputs(
    "window",
    {
        "macd": "MACD line: fast less slow exponential moving average.",
        "macd_signal": "Signal line: exponential moving average of the MACD line.",
        "macd_histogram": "MACD line less signal line.",
    },
    x=Series("close"),
    fast=Count(12, least=2),
    slow=Count(26, least=2),
    signal=Count(9),
)
def _macd(x: Values, fast: int, slow: int, signal: int) -> tuple[Values, ...]:
    return indicators("MACD", [x], fast, slow, signal, results=3)


@local("stoch_k(14, 3, 3)", **_STOCHASTIC)
def stoch_k(window: int, smooth: int, signal: int) -> Local:
    """Slow stochastic %K (0-100): mean of the raw %K over `smooth` rows."""

    def formula(high: Runs, low: Runs, close: Runs) -> Values:
        return _raw_k(high, low, close, window).means(smooth)[signal - 1 :]

    return Local(window + smooth + signal - 2, formula)


@local("stoch_d(14, 3, 3)", **_STOCHASTIC)
def stoch_d(window: int, smooth: int, signal: int) -> Local:
    """Slow stochastic %D (0-100): mean of %K over `signal` rows."""

    def formula(high: Runs, low: Runs, close: Runs) -> Values:
        return Runs(_raw_k(high, low, close, window).means(smooth)).means(signal)

    return Local(window + smooth + signal - 2, formula)


def _raw_k(high: Runs, low: Runs, close: Runs, window: int) -> Runs:
    """Where the close stands in the range of each run (0-100), in its middle where there is none."""
    bottom = low.lowest(window)
    span = high.highest(window) - bottom
    return Runs(np.where(span > 0, 100.0 * (close.values[window - 1 :] - bottom) / span, 50.0))


@window("willr(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def willr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Williams %R (-100 to 0): how far the close is below the highest high."""
    return indicator("WILLR", [high, low, close], window)


@window("atr(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def atr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average true range with Wilder's smoothing, in units of the price."""
    return indicator("ATR", [high, low, close], window)


@window("natr(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def natr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average true range in percent of the close."""
    return indicator("NATR", [high, low, close], window)


@window("adx(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def adx(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average directional index (0-100): strength of the trend, whatever its direction."""
    return indicator("ADX", [high, low, close], window)


@window("plus_di(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def plus_di(window: int, high: Values, low: Values, close: Values) -> Values:
    """Positive directional indicator (0-100)."""
    return indicator("PLUS_DI", [high, low, close], window)


@window("minus_di(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def minus_di(window: int, high: Values, low: Values, close: Values) -> Values:
    """Negative directional indicator (0-100)."""
    return indicator("MINUS_DI", [high, low, close], window)


@local("cci(20)", window=Count(20, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def cci(window: int) -> Local:
    """Commodity channel index: typical price's distance from its mean over 0.015 mean absolute deviations."""

    def formula(high: Runs, low: Runs, close: Runs) -> Values:
        typical = _typical(high, low, close)
        average = Runs(typical).means(window)
        spread = accumulate(lambda values, _: np.abs(values - average), typical, window) / window
        return (typical[window - 1 :] - average) / np.where(spread > np.abs(average) * 1e-14, 0.015 * spread, np.nan)

    return Local(window, formula)


@local("mfi(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def mfi(window: int) -> Local:
    """Money flow index (0-100): share of traded value on rows where the typical price rose."""

    def formula(high: Runs, low: Runs, close: Runs, volume: Runs) -> Values:
        typical = _typical(high, low, close)
        change = typical[1:] - typical[:-1]
        flow = typical[1:] * volume.values[1:]
        rising = Runs(flow * (change > 0)).sums(window)
        return 100.0 * rising / (rising + Runs(flow * (change < 0)).sums(window))

    return Local(window + 1, formula)


def _typical(high: Runs, low: Runs, close: Runs) -> Values:
    return (high.values + low.values + close.values) / 3.0


@outputs(
    "window",
    {
        "aroon_up": "Aroon up (0-100): how recent the highest high of `window` rows is.",
        "aroon_down": "Aroon down (0-100): how recent the lowest low of `window` rows is.",
    },
    window=Count(14, least=2),
    high=_HIGH,
    low=_LOW,
)
def _aroon(window: int, high: Values, low: Values) -> tuple[Values, ...]:
    down, up = indicators("AROON", [high, low], window, results=2)
    return up, down


@local("roc(close, 10)", x=Series("close"), window=Count(10))
def roc(window: int) -> Local:
    """Change over `window` observed values, in percent."""
    relative = change(window)
    return Local(relative.reach, lambda x: 100.0 * relative.formula(x))


@local("mom(close, 10)", x=Series("close"), window=Count(10))
def mom(window: int) -> Local:
    """Change over `window` observed values, in units of the price."""
    return Local(window + 1, lambda x: x.values[window:] - x.values[:-window])


@window("ppo(close, 12, 26)", x=Series("close"), fast=Count(12, least=2), slow=Count(26, least=2))
def ppo(x: Values, fast: int, slow: int) -> Values:
    """Fast less slow exponential moving average, in percent of the slow one."""
    return 100.0 * (indicator("EMA", [x], fast) / indicator("EMA", [x], slow) - 1.0)


@local("ultosc()", fast=Count(7), middle=Count(14), slow=Count(28), high=_HIGH, low=_LOW, close=_CLOSE)
def ultosc(fast: int, middle: int, slow: int) -> Local:
    """Ultimate oscillator (0-100): buying pressure over true range for three windows, weighted 4, 2, 1."""
    longest = max(fast, middle, slow)

    def formula(high: Runs, low: Runs, close: Runs) -> Values:
        earlier, now = close.values[:-1], close.values[1:]
        bottom = np.minimum(low.values[1:], earlier)
        pressure, span = Runs(now - bottom), Runs(np.maximum(high.values[1:], earlier) - bottom)
        shares = [(pressure.sums(rows) / span.sums(rows))[longest - rows :] for rows in (fast, middle, slow)]
        return 100.0 * (4 * shares[0] + 2 * shares[1] + shares[2]) / 7.0

    return Local(longest + 1, formula)


@window("sar()", step=Real(0.02, least=0, most=10), most=Real(0.2, least=0, most=10), high=_HIGH, low=_LOW)
def sar(step: float, most: float, high: Values, low: Values) -> Values:
    """Parabolic stop and reverse, in units of the price."""
    return indicator("SAR", [high, low], step, most)
