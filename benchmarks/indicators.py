"""34 indicators on a million bars: our features against pandas, in turns, equal first; beside them bare TA-Lib."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from pairing import contender, paired, peer_python, show

BARS, ROUNDS = 1_000_000, 9
EXPRESSIONS = [
    *(f"sma(close, {n})" for n in (5, 10, 20, 50, 100, 200)),
    *(f"ema(close, {n})" for n in (5, 10, 20, 50, 100, 200)),
    *(f"std(close, {n})" for n in (10, 20, 50)),
    *(f"highest(close, {n})" for n in (10, 20, 50)),
    *(f"lowest(close, {n})" for n in (10, 20, 50)),
    *(f"rsi(close, {n})" for n in (7, 14, 21)),
    *("macd(close)", "macd_signal(close)", "macd_histogram(close)"),
    *("bollinger_upper(close)", "bollinger_lower(close)", "bollinger_percent(close)"),
    *("atr(14)", "ret(close, 5)", "ret(close, 10)", "logret(close)"),
]


def main() -> None:
    assert len(EXPRESSIONS) == 34
    pandas = peer_python("pandas", "pandas==2.3.3", "pyarrow>=20", "numpy>=2")
    with tempfile.TemporaryDirectory() as folder:
        path = str(make_bars(Path(folder, "bars.parquet")))
        with (
            contender("forecastle", "indicators_ours.py") as ours,
            contender("pandas", "indicators_pandas.py", python=pandas) as theirs,
            contender("TA-Lib", "indicators_talib.py") as bare,
        ):
            rounds = []
            for each in (ours, theirs, bare):
                each.ask("touch", path=path)
            for turn in range(ROUNDS + 1):
                answers = [each.ask("compute", path=path, expressions=EXPRESSIONS) for each in (theirs, ours, bare)]
                np.testing.assert_allclose(answers[1].result, answers[0].result, rtol=1e-6, atol=1e-7)
                np.testing.assert_allclose(answers[2].result, answers[0].result, rtol=0.06)  # over n, not n - 1
                if turn:  # the first warms up
                    rounds.append([answer.seconds for answer in answers])
    pandas_s, ours_s, bare_s = zip(*rounds, strict=True)
    show(
        "indicators",
        [
            paired(list(zip(pandas_s, ours_s, strict=True)), "34 indicators on 1M bars, over pandas 2.3", require=8),
            paired(list(zip(pandas_s, bare_s, strict=True)), "bare TA-Lib, sums that drift, over pandas 2.3"),
        ],
        {
            name: f"{float(np.median(seconds)):.3f} s (median of {ROUNDS})"
            for name, seconds in (("pandas", pandas_s), ("forecastle", ours_s), ("bare TA-Lib", bare_s))
        },
    )


def make_bars(path: Path) -> Path:
    """A seeded random walk of minute bars."""
    random = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.001, BARS)))
    spread = close * np.abs(random.normal(0, 0.001, (2, BARS)))
    start = np.datetime64("2020-01-01T00:00:00", "us")
    frame = pl.DataFrame(
        {
            "time": start + np.arange(BARS) * np.timedelta64(60, "s"),
            "high": close + spread[0],
            "low": close - spread[1],
            "close": close,
        }
    )
    frame.with_columns(pl.col("time").dt.replace_time_zone("UTC")).write_parquet(path)
    return path


if __name__ == "__main__":
    main()
