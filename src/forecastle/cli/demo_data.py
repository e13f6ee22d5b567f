"""What the demo works on: a real medical table, a market made up from a seed, and a dozen recipes."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

MARKET = "synthetic-market"
PATIENTS = "diabetes"
MARKET_DAYS = 1500


def patients_csv() -> bytes:
    """Ten measurements of 442 patients and the progression of their diabetes a year later (Efron et al., 2004)."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - a second to import, needed at the first demo only

    table = load_diabetes(scaled=False)
    columns = [*table.feature_names, "progression"]
    return _csv(columns, np.column_stack([table.data, table.target]).tolist())


def market_csv() -> bytes:
    """Daily bars of two made-up tickers: a random walk whose returns lean on the last, volatility clustered."""
    rng = np.random.default_rng(20260101)
    rows = [row for ticker in ("SYNA", "SYNB") for row in _bars(rng, ticker)]
    return _csv(["date", "ticker", "open", "high", "low", "close", "volume"], rows)


def _bars(rng: np.random.Generator, ticker: str) -> list[list[object]]:
    rows: list[list[object]] = []
    close, last_return, volatility = 100.0, 0.0, 0.01
    for day in range(MARKET_DAYS):
        volatility = 0.9 * volatility + 0.1 * (0.006 + abs(last_return) * 0.5)
        last_return = 0.0002 + 0.25 * last_return + volatility * rng.standard_normal()
        start, close = close, close * float(np.exp(last_return))
        spread = close * volatility * abs(rng.standard_normal())
        high, low = max(start, close) + spread, min(start, close) - spread
        volume = int(1e6 * np.exp(rng.normal(20 * abs(last_return), 0.2)))
        prices = [round(price, 4) for price in (start, high, low, close)]
        rows.append([(date(2020, 1, 1) + timedelta(days=day)).isoformat(), ticker, *prices, volume])
    return rows


def _csv(columns: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


#: name → (what it is, the CSV, the options of its import)
TABLES: Mapping[str, tuple[str, Callable[[], bytes], Mapping[str, str]]] = {
    PATIENTS: ("real: 442 patients, scikit-learn's diabetes table", patients_csv, {"time": "none"}),
    MARKET: ("synthetic: made up from a seed, no real market", market_csv, {"time": "date", "key": "ticker"}),
}

MEASUREMENTS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
SIGNALS = [
    "momentum = ret(close, 1)",
    "week = ret(close, 5)",
    "rsi = rsi(close, 14)",
    "trend = close / sma(close, 20) - 1",
    "noise = std(logret(close, 1), 20)",
    "activity = volume / sma(volume, 20)",
]


def _patients(name: str, algorithm: str, **hyperparameters: float) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": PATIENTS,
        "features": MEASUREMENTS,
        "target": {"column": "progression", "horizon": 0},
        "algorithm": algorithm,
        "hyperparameters": hyperparameters,
        "seed": 7,
    }


def _market(name: str, algorithm: str, transform: str, **hyperparameters: float) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": MARKET,
        "features": SIGNALS,
        "target": {"column": "close", "transform": transform, "horizon": 1},
        "algorithm": algorithm,
        "hyperparameters": hyperparameters,
        "split": {"kind": "walk_forward", "train": 700, "test": 200},
        "seed": 7,
    }


RECIPES = (
    _patients("diabetes-ridge", "ridge", alpha=1.0),
    _patients("diabetes-ridge-strong", "ridge", alpha=100.0),
    _patients("diabetes-forest", "random_forest", n_estimators=100, max_depth=6),
    _patients("diabetes-boosted", "lightgbm", n_estimators=80, num_leaves=7, learning_rate=0.05),
    _market("market-direction-logistic", "logistic", "up"),
    _market("market-direction-forest", "random_forest", "up", n_estimators=60, max_depth=4),
    _market("market-direction-boosted", "lightgbm", "up", n_estimators=60, num_leaves=7, learning_rate=0.05),
    _market("market-return-ridge", "ridge", "log_return", alpha=10.0),
    _market("market-return-forest", "random_forest", "log_return", n_estimators=60, max_depth=4),
    _market("market-return-boosted", "lightgbm", "log_return", n_estimators=60, num_leaves=7, learning_rate=0.05),
)
