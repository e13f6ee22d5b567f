"""The same 34 indicators as pandas' own users write them: rolling, ewm, shift."""

import functools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from answering import answer


@functools.cache
def bars(path: str) -> pd.DataFrame:
    return pd.read_parquet(path)


def indicators(frame: pd.DataFrame) -> Iterator[pd.Series]:
    close, high, low = frame["close"], frame["high"], frame["low"]
    for n in (5, 10, 20, 50, 100, 200):
        yield close.rolling(n).mean()
    for n in (5, 10, 20, 50, 100, 200):
        yield close.ewm(span=n, adjust=False).mean()
    for n in (10, 20, 50):
        yield close.rolling(n).std()
    for n in (10, 20, 50):
        yield close.rolling(n).max()
    for n in (10, 20, 50):
        yield close.rolling(n).min()
    move = close.diff()
    up, down = move.clip(lower=0), -move.clip(upper=0)
    for n in (7, 14, 21):
        gain, loss = (part.ewm(alpha=1 / n, adjust=False).mean() for part in (up, down))
        yield 100 * gain / (gain + loss)
    line = close.ewm(span=12, adjust=False).mean() - close.ewm(span=26, adjust=False).mean()
    signal = line.ewm(span=9, adjust=False).mean()
    yield line
    yield signal
    yield line - signal
    middle, half = close.rolling(20).mean(), 2 * close.rolling(20).std(ddof=0)
    yield middle + half
    yield middle - half
    yield (close - (middle - half)) / (2 * half)
    before = close.shift(1)
    reach = np.maximum(high, before) - np.minimum(low, before)
    yield reach.ewm(alpha=1 / 14, adjust=False).mean()
    yield close / close.shift(5) - 1
    yield close / close.shift(10) - 1
    yield np.log(close / before)


def compute(path: str, expressions: list[str]) -> list[list[float]]:
    frame = pd.concat(dict(zip(expressions, indicators(bars(path)), strict=True)), axis=1)
    return [frame[name].tail(5).tolist() for name in expressions]


def touch(path: str) -> int:
    return len(bars(path))


answer({"compute": compute, "touch": touch})
