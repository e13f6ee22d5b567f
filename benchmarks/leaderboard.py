"""Listing 30,000 models: each filter with each order, its first page and one in the middle, on both databases.

    ./run bench leaderboard [--models N] [--rounds N] [--plans] [--json]

Prints the median and the 95th percentile of a page, in milliseconds; every median must stay below 100 ms.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

from sqlalchemy import event, insert, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import postgresql

from forecastle.db import Database, migrate, open_database
from forecastle.registry import leaderboard, measures
from forecastle.registry.leaderboard import Filters
from forecastle.registry.tables import MeasureRow, ModelRow, TagRow
from forecastle.settings import DatabaseSettings
from forecastle.types import new_id

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 1_000
REQUIRED_MS = 100.0
ALGORITHMS = ("ridge", "elastic_net", "random_forest", "lightgbm", "xgboost")
STAGES = ("dev",) * 90 + ("archived",) * 6 + ("staging",) * 3 + ("production",)
METRICS = {
    "regression": ("mse", "mae", "rmse", "r2", "rmse_target_units"),
    "classification": ("accuracy", "precision", "recall", "f1", "log_loss", "roc_auc"),
}


@dataclass(frozen=True)
class Query:
    """One way to look at the models."""

    name: str
    filters: Filters
    sort: str


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, _urls(Path(folder)) as urls:
        rows = [row for kind, url in urls.items() for row in asyncio.run(_measure_all(kind, url, folder, arguments))]
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
        facts = {"subject": "leaderboard", "machine": machine, "models": arguments.models, "rows": rows}
        print(json.dumps(facts))
    worst, tail = (max(row[measured] for row in rows) for measured in ("p50_ms", "p95_ms"))
    print(f"slowest p50: {worst:.1f} ms, required below {REQUIRED_MS:.0f}; p95: {tail:.1f} ms", file=sys.stderr)
    if worst >= REQUIRED_MS:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--plans", action="store_true", help="print how each database goes about each query")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def _measure_all(kind: str, url: str, folder: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    async with _filled(url, Path(folder), arguments.models) as database:
        if arguments.plans:
            await _print_plans(database)
        measured = [await _measure(database, kind, query, arguments.rounds) for query in _queries()]
    _print(kind, measured)
    return measured


@contextmanager
def _urls(folder: Path) -> Iterator[dict[str, str]]:
    with postgresql.server() as server, postgresql.database(server) as url:
        yield {
            "sqlite": f"sqlite:///{folder / 'models.db'}",
            "postgresql": url.render_as_string(hide_password=False),
        }


@asynccontextmanager
async def _filled(url: str, folder: Path, models: int) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(url=url), home=folder) as database:
        await migrate.upgrade(database)
        random = Random(7)
        for first in range(0, models, BATCH):
            made = [_model(random, number) for number in range(first, min(first + BATCH, models))]
            await _insert(database, made)
        if database.dialect == "postgresql":  # what its autovacuum does within a minute
            async with database.engine.connect() as connection:
                await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))
        yield database


def _model(random: Random, number: int) -> dict[str, Any]:
    """A model among many: half of them share one name, as those of a large search do."""
    task = random.choice(("regression", "regression", "classification"))
    created = BEGAN + timedelta(seconds=number * 60 + random.random())
    metrics = {name: random.uniform(0.05, 3.0) for name in METRICS[task]}
    baselines = {
        name: {measure: value * random.uniform(0.8, 1.6) for measure, value in metrics.items()}
        for name in ("mean", "persistence", "climatology")
    }
    return {
        "id": new_id(created),
        "name": "grid" if number % 2 else f"model-{random.randrange(500)}",
        "version": number + 1,
        "stage": random.choice(STAGES),
        "task": task,
        "algorithm": random.choice(ALGORITHMS),
        "fingerprint": token_hex(32),
        "graph_sha256": token_hex(32),
        "manifest_sha256": token_hex(32),
        "metrics": metrics,
        "baselines": baselines,
        "dataset": f"table-{random.randrange(40)}",
        "parent": new_id(BEGAN + timedelta(seconds=number // 7)) if number % 3 == 0 else None,
        "cohort": f"cohort-{number // 60}" if number % 2 else None,
        "group": f"group-{number // 4}" if number % 5 == 0 else None,
        "tags": sorted(
            {f"tag-{random.randrange(200)}" for _ in range(3)} | ({"rare"} if number % 9973 == 0 else set())
        ),
        "owner": f"{'user':0>24}{random.randrange(20):02}",
        "created_at": created,
    }


async def _insert(database: Database, made: Sequence[dict[str, Any]]) -> None:
    ranked = [
        {"model_id": model["id"], "measure": name, "value": value}
        for model in made
        for name, value in (
            model["metrics"] | {measures.SKILL: measures.skill(model["task"], model["metrics"], model["baselines"])}
        ).items()
    ]
    tagged = [{"model_id": model["id"], "tag": tag} for model in made for tag in model["tags"]]
    async with database.write() as session:
        for table, rows in ((ModelRow, made), (MeasureRow, ranked), (TagRow, tagged)):
            await session.execute(insert(table), rows)


def _queries() -> Iterator[Query]:
    middle = BEGAN + timedelta(days=10)
    wanted = {
        "all": Filters(),
        "name, half": Filters(name="grid"),
        "name, few": Filters(name="model-7"),
        "name, none": Filters(name="nothing"),
        "stage, most": Filters(stage="dev"),
        "stage, few": Filters(stage="production"),
        "task": Filters(task="classification"),
        "algorithm": Filters(algorithm="xgboost"),
        "algorithm, none": Filters(algorithm="nothing"),
        "dataset": Filters(dataset="table-39"),
        "tag": Filters(tag="tag-7"),
        "tag, rare": Filters(tag="rare"),
        "parent": Filters(parent="none"),
        "cohort": Filters(cohort="cohort-100"),
        "group": Filters(group="group-250"),
        "owner": Filters(owner=f"{'user':0>24}07"),
        "since": Filters(since=middle),
        "until": Filters(until=BEGAN + timedelta(hours=2)),
        "text, many": Filters(text="GRID"),
        "text, few": Filters(text="del-49"),
        "text, none": Filters(text="nothing"),
        "several": Filters(name="grid", stage="production", algorithm="ridge", task="regression", since=middle),
    }
    for sort in (leaderboard.CREATED, "rmse", "log_loss", measures.SKILL):
        for name, filters in wanted.items():
            yield Query(name, filters, sort)


async def _measure(database: Database, kind: str, query: Query, rounds: int) -> dict[str, Any]:
    async with database.read() as session:
        cursor = (await leaderboard.list_models(session, query.filters, sort=query.sort, limit=1000)).next
    seconds = []
    for turn in range(rounds + 1):
        for start in (None, cursor):
            began = time.perf_counter()
            async with database.read() as session:
                page = await leaderboard.list_models(session, query.filters, sort=query.sort, cursor=start)
            if turn:  # the first warms up
                seconds.append(time.perf_counter() - began)
    return {
        "database": kind,
        "filter": query.name,
        "sort": query.sort,
        "shown": len(page.items),
        "p50_ms": round(statistics.median(seconds) * 1000, 2),
        "p95_ms": round(statistics.quantiles(seconds, n=20)[-1] * 1000, 2),
    }


async def _print_plans(database: Database) -> None:
    """Each query's plan, as the database tells it."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    for query in _queries():
        seen.clear()
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        async with database.read() as session:
            await leaderboard.list_models(session, query.filters, sort=query.sort)
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
        statement, parameters = seen[0]
        explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN (ANALYZE)"
        async with database.engine.connect() as connection:
            plan = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        print(f"\n{database.dialect}: {query.name}, by {query.sort}")
        for row in plan:
            print("   ", row[-1])


def _print(kind: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{kind:<18}{'sort':<10}{'shown':>6}{'p50 ms':>9}{'p95 ms':>9}")
    for row in rows:
        print(f"{row['filter']:<18}{row['sort']:<10}{row['shown']:>6}{row['p50_ms']:>9.2f}{row['p95_ms']:>9.2f}")


if __name__ == "__main__":
    main()
