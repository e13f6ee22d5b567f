"""The whole product: recipes through queue, runner, worker processes and registry, over one after the other."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pairing import Row, paired
from search_desk import Desk
from sqlalchemy import select

from forecastle.clock import SystemClock
from forecastle.db import migrate, open_database
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.runner import Runner
from forecastle.registry.tables import ModelRow
from forecastle.settings import DatabaseSettings, JobSettings
from forecastle.training.finish import publish_model
from forecastle.training.submit import SHARED

RECIPES, ROWS, FEATURES = 32, 20_000, 30
KINDS = {"train": JobKind("forecastle.training.worker:run", publish_model, shares=SHARED)}
RECIPE: dict[str, Any] = {
    "name": "noise",
    "dataset": "noise",
    "features": [f"x{number}" for number in range(FEATURES)],
    "algorithm": "lightgbm",
    "hyperparameters": {"n_estimators": 100},
    "target": {"column": "x0", "horizon": 1},
    "split": {"kind": "walk_forward", "train": 15_000, "test": 4_000},
}


def run(folder: Path, rounds: int) -> tuple[list[Row], dict[str, str]]:
    """The row of speed-up; all models come out the same either way."""
    table = _make_table(folder)
    pairs = []
    for number in range(rounds):
        homes = [folder / f"{way}{number}" for way in ("alone", "together")]
        for home in homes:
            home.mkdir()
        alone, first = asyncio.run(_train(homes[0], table, in_runner=False))
        together, second = asyncio.run(_train(homes[1], table, in_runner=True))
        assert len(first) == RECIPES, first
        assert first == second, "the runner made other models"
        pairs.append((alone, together))
    if not pairs:
        return [], {}
    told = ", ".join(f"{alone:.1f} and {together:.1f}" for alone, together in pairs)
    name = f"{RECIPES} recipes through queue, runner and registry, 2 workers over one by one"
    row = paired(pairs, name, require=0)
    return [Row(row.name, row.ratio, row.low, row.high)], {"recipes: seconds one by one, and by 2 workers": told}


def _make_table(folder: Path) -> Path:
    random = np.random.default_rng(5)
    start = np.datetime64("2020-01-01T00:00:00", "us")
    columns = {f"x{number}": random.normal(size=ROWS) for number in range(FEATURES)}
    times = pl.Series("time", start + np.arange(ROWS) * np.timedelta64(60, "s")).dt.replace_time_zone("UTC")
    path = folder / "noise.parquet"
    pl.DataFrame({"time": times, **columns}).write_parquet(path)
    return path


async def _train(home: Path, table: Path, *, in_runner: bool) -> tuple[float, list[str]]:
    """Seconds that all of them took from the queue to the registry, and the hashes of the models' graphs."""
    async with _desk(home) as desk:
        await desk.import_file("noise", table)
        for seed in range(RECIPES):
            await desk.submit(**RECIPE, seed=seed)
        settings = JobSettings(workers=2)
        began = time.perf_counter()
        if in_runner:
            artifacts = (home / "artifacts").as_uri()
            async with Runner(desk.database, KINDS, settings, home, SystemClock(), artifacts) as runner:
                await runner.run_until_idle()
        else:
            await desk.work_off()
        took_s = time.perf_counter() - began
        async with desk.database.read() as session:
            return took_s, sorted(await session.scalars(select(ModelRow.graph_sha256)))


@asynccontextmanager
async def _desk(home: Path) -> AsyncIterator[Desk]:
    async with open_database(DatabaseSettings(), home=home) as database:
        await migrate.upgrade(database)
        yield Desk(database, home)
