"""A desk to train at: tables imported into a home and recipes trained on them, without a database or a pool."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from forecastle.data.dataset import Dataset
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.jobs.context import JobContext
from forecastle.jobs.journal import Journal, JournalReader, Line, Report
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.manifest import Manifest, decode
from forecastle.registry.predictor import Predictor
from forecastle.training import worker
from forecastle.training.order import Order, TableFacts, TrainingResult
from forecastle.training.recipe import Recipe
from forecastle.training.settle import settle
from forecastle.training.steps import TRAINING
from forecastle.training.study import Study, Tables
from forecastle.types import JsonObject

DAYS = 800
NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = {"n_estimators": 10}


@dataclass(frozen=True, slots=True)
class Trained:
    manifest: Manifest
    predictor: Predictor
    reports: list[Report]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Desk:
    """A home where tables are imported and recipes are trained, without a database or a pool."""

    home: Path
    cache_bytes: int = 10**9

    @property
    def store(self) -> TableStore:
        return TableStore(self.home / "datasets")

    def add(self, name: str, columns: Mapping[str, Sequence[Any]], **options: Any) -> Dataset:
        path = self.home / f"{name}.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
        with self.store.workspace() as folder:
            table = import_table(path, ImportOptions(**options), folder)
            self.store.adopt(table.path, table.sha256)
        facts = {field: getattr(table, field) for field in ("sha256", "rows", "columns", "time", "keys")}
        return Dataset(id=name, name=name, created_at=NOW, **facts)

    def order(self, dataset: Dataset, document: dict[str, Any], context: dict[str, Dataset] | None = None) -> Order:
        context = context or {}
        recipe = Recipe.parse({"name": "model", "dataset": dataset.name, "hyperparameters": {}} | document)
        return Order(
            model_id="0" * 26,
            fingerprint="f" * 64,
            document=settle(recipe, dataset, context).recipe.as_json(),
            table=TableFacts.of(dataset),
            context={name: TableFacts.of(series) for name, series in context.items()},
        )

    def train(self, order: Order) -> Trained:
        path, url = self.home / "journal", (self.home / "artifacts").as_uri()
        path.unlink(missing_ok=True)
        journal = Journal(path)
        payload: JsonObject = msgspec.json.decode(msgspec.json.encode(order.as_json()))
        context = JobContext("job", self.home, url, journal, self.cache_bytes)
        result = msgspec.convert(worker.run(payload, context), TrainingResult)
        journal.close()
        store = ArtifactStore(url)
        manifest = decode(store.get(result.manifest_sha256))
        assert manifest == result.manifest
        news = JournalReader(path).read()
        return Trained(
            manifest,
            Predictor(store.get(result.graph_sha256), manifest),
            [entry for entry in news if isinstance(entry, Report)],
            [entry.text for entry in news if isinstance(entry, Line)],
        )

    def tables(self, order: Order) -> Tables:
        return worker.read_tables(order, self.store)

    def study(self, order: Order) -> Study:
        return TRAINING.study(order.recipe, self.tables(order))


def days(count: int = DAYS) -> list[str]:
    return [(date(2015, 1, 1) + timedelta(days=day)).isoformat() for day in range(count)]


def weather(seed: int = 0) -> dict[str, list[Any]]:
    """Two cities, day by day: warm in summer, with a category and a class."""
    rng = np.random.default_rng(seed)
    rows = []
    for city, level in (("Oslo", 5.0), ("Rome", 16.0)):
        for number, day in enumerate(days()):
            heat = level - 10 * np.cos(2 * np.pi * number / 365.25) + rng.normal()
            sky = "rain" if rng.random() < 0.3 else "sun"
            rows.append((day, city, round(float(heat), 2), round(float(rng.gamma(2)), 2), sky))
    return {name: [row[index] for row in rows] for index, name in enumerate(("date", "city", "heat", "wind", "sky"))}


def prices(seed: int = 0, count: int = DAYS) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0002, 0.01, count)))
    return {"date": days(count), "close": close.round(4).tolist(), "volume": rng.integers(100, 999, count).tolist()}


def people(seed: int = 0, count: int = 300) -> dict[str, list[Any]]:
    """A plain table with a category, gaps and a class."""
    rng = np.random.default_rng(seed)
    age, trade = rng.integers(18, 70, count), rng.choice(["cook", "smith", "clerk"], count)
    hours = [None if rng.random() < 0.2 else int(value) for value in rng.integers(10, 60, count)]
    rich = np.where(age + 20 * (trade == "smith") + rng.normal(0, 5, count) > 50, "yes", "no")
    return {"age": age.tolist(), "trade": trade.tolist(), "hours": hours, "rich": rich.tolist()}


HEAT: dict[str, Any] = {
    "features": ["heat", "mean7 = mean(heat, 7)", "city", "wind", "season = day_of_year_cos()"],
    "algorithm": "ridge",
    "target": {"column": "heat", "horizon": 1},
}
DIRECTION: dict[str, Any] = {
    "features": ["ret(close, 1)", "close / sma(close, 10)"],
    "algorithm": "lightgbm",
    "target": {"column": "close", "transform": "up"},
    "hyperparameters": QUICK,
    "split": {"kind": "walk_forward", "train": 300, "test": 150},
}
