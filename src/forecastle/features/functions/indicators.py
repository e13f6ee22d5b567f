"""Technical indicators. Definitions, seeds and warm-up follow TA-Lib; sums over windows are free of drift."""

import numpy as np
import talib

from forecastle.features.functions import runs, windows
from forecastle.features.functions.declare import Count, Real, Series, Values, outputs, window

_HIGH, _LOW, _CLOSE, _VOLUME = Series("high"), Series("low"), Series("close"), Series("volume")


@window("sma(close, 20)", x=Series("close"), window=Count(20))
def sma(x: Values, window: int) -> Values:
    """Simple moving average of the last `window` values."""
    return windows.means(x, window)


@window("ema(close, 20)", x=Series("close"), window=Count(20, least=2))
def ema(x: Values, window: int) -> Values:
    """Exponential moving average, weight 2 / (window + 1), seeded with the mean of the first `window` values."""
    return talib.EMA(x, window)


@window("wma(close, 20)", x=Series("close"), window=Count(20, least=2))
def wma(x: Values, window: int) -> Values:
    """Moving average with weights 1, 2, …, `window`, the newest value weighing most."""
    total = windows.accumulated(lambda values, place: (place + 1.0) * values, x, window)
    return total / (window * (window + 1) / 2)


@window("dema(close, 20)", x=Series("close"), window=Count(20, least=2))
def dema(x: Values, window: int) -> Values:
    """Double exponential moving average: 2·EMA - EMA(EMA)."""
    return talib.DEMA(x, window)


@window("tema(close, 20)", x=Series("close"), window=Count(20, least=2))
def tema(x: Values, window: int) -> Values:
    """Triple exponential moving average: 3·EMA - 3·EMA(EMA) + EMA(EMA(EMA))."""
    return talib.TEMA(x, window)


@window("trix(close, 15)", x=Series("close"), window=Count(15))
def trix(x: Values, window: int) -> Values:
    """One-row change of a triple-smoothed exponential moving average, in percent."""
    return talib.TRIX(x, window)


@outputs(
    "window",
    {
        "bollinger_upper": "Upper Bollinger band: mean plus `width` standard deviations (n).",
        "bollinger_lower": "Lower Bollinger band: mean less `width` standard deviations (n).",
        "bollinger_percent": "Where the value stands between the lower (0) and the upper (1) Bollinger band.",
        "bollinger_width": "Distance between the Bollinger bands as a share of their middle.",
    },
    x=Series("close"),
    window=Count(20, least=2),
    width=Real(2.0, least=0.01, most=100),
)
def _bollinger(x: Values, window: int, width: float) -> tuple[Values, ...]:
    def kernel(x: Values) -> tuple[Values, ...]:
        middle, half = runs.mean_and_deviation(x, window, ddof=0)
        half *= width
        lower = middle - half
        return middle + half, lower, (x[window - 1 :] - lower) / (2 * half), 2 * half / middle

    return windows.in_blocks(kernel, window, x)


@window("rsi(close, 14)", x=Series("close"), window=Count(14, least=2))
def rsi(x: Values, window: int) -> Values:
    """Relative strength index (0-100) with Wilder's smoothing."""
    return talib.RSI(x, window)


@window("cmo(close, 14)", x=Series("close"), window=Count(14, least=2))
def cmo(x: Values, window: int) -> Values:
    """Chande momentum oscillator (-100 to 100) with Wilder's smoothing."""
    return talib.CMO(x, window)


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
    return talib.MACD(x, fast, slow, signal)


@outputs(
    "window",
    {
        "stoch_k": "Slow stochastic %K (0-100): mean of the raw %K over `smooth` rows.",
        "stoch_d": "Slow stochastic %D (0-100): mean of %K over `signal` rows.",
    },
    window=Count(14),
    smooth=Count(3),
    signal=Count(3),
    high=_HIGH,
    low=_LOW,
    close=_CLOSE,
)
def _stochastic(window: int, smooth: int, signal: int, high: Values, low: Values, close: Values) -> tuple[Values, ...]:
    reach = window + smooth + signal - 2

    def kernel(high: Values, low: Values, close: Values) -> tuple[Values, ...]:
        bottom = runs.lowest(low, window)
        span = runs.highest(high, window) - bottom
        raw = np.where(span > 0, 100.0 * (close[window - 1 :] - bottom) / span, 50.0)
        k = runs.means(raw, smooth)
        return k[signal - 1 :], runs.means(k, signal)

    return windows.in_blocks(kernel, reach, high, low, close)


@window("willr(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def willr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Williams %R (-100 to 0): how far the close is below the highest high."""
    return talib.WILLR(high, low, close, window)


@window("atr(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def atr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average true range with Wilder's smoothing, in units of the price."""
    return talib.ATR(high, low, close, window)


@window("natr(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def natr(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average true range in percent of the close."""
    return talib.NATR(high, low, close, window)


@window("adx(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def adx(window: int, high: Values, low: Values, close: Values) -> Values:
    """Average directional index (0-100): strength of the trend, whatever its direction."""
    return talib.ADX(high, low, close, window)


@window("plus_di(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def plus_di(window: int, high: Values, low: Values, close: Values) -> Values:
    """Positive directional indicator (0-100)."""
    return talib.PLUS_DI(high, low, close, window)


@window("minus_di(14)", window=Count(14), high=_HIGH, low=_LOW, close=_CLOSE)
def minus_di(window: int, high: Values, low: Values, close: Values) -> Values:
    """Negative directional indicator (0-100)."""
    return talib.MINUS_DI(high, low, close, window)


@window("cci(20)", window=Count(20, least=2), high=_HIGH, low=_LOW, close=_CLOSE)
def cci(window: int, high: Values, low: Values, close: Values) -> Values:
    """Commodity channel index: typical price's distance from its mean over 0.015 mean absolute deviations."""

    def kernel(high: Values, low: Values, close: Values) -> Values:
        typical = (high + low + close) / 3.0
        average = runs.means(typical, window)
        spread = runs.accumulate(lambda values, _: np.abs(values - average), typical, window) / window
        return (typical[window - 1 :] - average) / np.where(spread > np.abs(average) * 1e-14, 0.015 * spread, np.nan)

    return windows.in_blocks(kernel, window, high, low, close)


@window("mfi(14)", window=Count(14, least=2), high=_HIGH, low=_LOW, close=_CLOSE, volume=_VOLUME)
def mfi(window: int, high: Values, low: Values, close: Values, volume: Values) -> Values:
    """Money flow index (0-100): share of traded value on rows where the typical price rose."""

    def kernel(high: Values, low: Values, close: Values, volume: Values) -> Values:
        typical = (high + low + close) / 3.0
        change = typical[1:] - typical[:-1]
        flow = typical[1:] * volume[1:]
        rising = runs.sums(flow * (change > 0), window)
        return 100.0 * rising / (rising + runs.sums(flow * (change < 0), window))

    return windows.in_blocks(kernel, window + 1, high, low, close, volume)


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
    down, up = talib.AROON(high, low, window)
    return up, down


@window("roc(close, 10)", x=Series("close"), window=Count(10))
def roc(x: Values, window: int) -> Values:
    """Change over `window` observed values, in percent."""
    return 100.0 * windows.changes(x, window)


@window("mom(close, 10)", x=Series("close"), window=Count(10))
def mom(x: Values, window: int) -> Values:
    """Change over `window` observed values, in units of the price."""
    return windows.differences(x, window)


@window("ppo(close, 12, 26)", x=Series("close"), fast=Count(12, least=2), slow=Count(26, least=2))
def ppo(x: Values, fast: int, slow: int) -> Values:
    """Fast less slow exponential moving average, in percent of the slow one."""
    return 100.0 * (talib.EMA(x, fast) / talib.EMA(x, slow) - 1.0)


@window("ultosc()", fast=Count(7), middle=Count(14), slow=Count(28), high=_HIGH, low=_LOW, close=_CLOSE)
def ultosc(fast: int, middle: int, slow: int, high: Values, low: Values, close: Values) -> Values:
    """Ultimate oscillator (0-100): buying pressure over true range for three windows, weighted 4, 2, 1."""

    def kernel(high: Values, low: Values, close: Values) -> Values:
        bottom = np.minimum(low[1:], close[:-1])
        pressure, span = close[1:] - bottom, np.maximum(high[1:], close[:-1]) - bottom
        lengths = (fast, middle, slow)
        parts = [(runs.sums(pressure, rows) / runs.sums(span, rows))[longest - rows :] for rows in lengths]
        return 100.0 * (4 * parts[0] + 2 * parts[1] + parts[2]) / 7.0

    longest = max(fast, middle, slow)
    return windows.in_blocks(kernel, longest + 1, high, low, close)


@window("sar()", step=Real(0.02, least=0, most=10), most=Real(0.2, least=0, most=10), high=_HIGH, low=_LOW)
def sar(step: float, most: float, high: Values, low: Values) -> Values:
    """Parabolic stop and reverse, in units of the price."""
    return talib.SAR(high, low, step, most)
