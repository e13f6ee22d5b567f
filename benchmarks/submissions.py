"""What it costs to be told that everything is known already.

    ./run bench submissions [--recipes 1000] [--rounds 7] [--json]

A thousand different recipes whose models exist are submitted in one go, as single recipes and as one search, on both
databases. Nothing is fitted: no job is added, and every answer names its model. The time includes parsing, settling,
fingerprints and the check of the rows.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import msgspec
import postgresql
from search_desk import FEATURES, NOW, RECIPE, RUNNER, Desk
from sqlalchemy import func, select

from forecastle.db import migrate, open_database
from forecastle.jobs import leases
from forecastle.jobs.tables import JobRow
from forecastle.registry import models
from forecastle.registry.describe import read_manifest
from forecastle.settings import DatabaseSettings, LogSettings
from forecastle.telemetry.logs import configure_logs
from forecastle.training import submit
from forecastle.training.recipe import Recipe

LIMIT_S = 1.0


def main() -> None:
    arguments = _arguments()
    configure_logs(LogSettings(level="error"))
    with tempfile.TemporaryDirectory() as folder, postgresql.server() as server:
        urls = {
            "sqlite": f"sqlite:///{folder}/forecastle.db",
            "postgresql": server.render_as_string(hide_password=False),
        }
        found = {}
        for kind, url in urls.items():
            home = Path(folder, kind)
            home.mkdir()
            found[kind] = asyncio.run(measure(url, home, arguments.recipes, arguments.rounds))
    print(json.dumps(found, indent=2) if arguments.json else _told(found, arguments.recipes))
    if not all(way["met"] for ways in found.values() for way in ways.values()):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=int, default=1000, help="different recipes that are known")
    parser.add_argument("--rounds", type=int, default=7, help="how often they are submitted")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _told(found: dict[str, Any], recipes: int) -> str:
    return "\n".join(
        f"{kind:<11}{way:<9}{recipes:,} known recipes in {times['median_s']:.3f} s ({times['low_s']:.3f} to "
        f"{times['high_s']:.3f}), allowed {LIMIT_S:g} s: {'met' if times['met'] else 'NOT MET'}"
        for kind, ways in found.items()
        for way, times in ways.items()
    )


async def measure(url: str, home: Path, recipes: int, rounds: int) -> dict[str, Any]:
    async with open_database(DatabaseSettings(url=url), home=home) as database:
        await migrate.upgrade(database)
        desk = Desk(database, home)
        await desk.add()
        documents = [RECIPE | {"features": list(FEATURES), "seed": seed} for seed in range(recipes)]
        await _make_known(desk, documents)
        search = {"space": {"seed": list(range(recipes))}}

        async def singly() -> int:
            parsed = [Recipe.parse(document) for document in documents]
            await submit.check(desk.database, desk.store, parsed)
            async with desk.database.write() as session:
                tables = await submit.look_up(session, parsed)
                orders = [submit.place(recipe, tables, now=NOW) for recipe in parsed]
                made = await submit.submit_orders(session, orders, owner=None, now=NOW)
            return sum(training.model is not None for training in made)

        async def searched() -> int:
            return (await desk.start(search, features=list(FEATURES))).states.get("duplicate", 0)

        ways: dict[str, Callable[[], Awaitable[int]]] = {"recipes": singly, "search": searched}
        return {name: await _timed(desk, way, recipes, rounds) for name, way in ways.items()}


async def _timed(desk: Desk, way: Callable[[], Awaitable[int]], recipes: int, rounds: int) -> dict[str, Any]:
    times, before = [], await _jobs(desk)
    for _ in range(rounds):
        started = time.perf_counter()
        known = await way()
        times.append(time.perf_counter() - started)
        assert known == recipes, f"expected {recipes} known, found {known}"
    assert await _jobs(desk) == before, "something was queued"
    median = statistics.median(times)
    return {"median_s": median, "low_s": min(times), "high_s": max(times), "met": median < LIMIT_S}


async def _make_known(desk: Desk, documents: list[dict[str, Any]]) -> None:
    """Train the first recipe and publish its model, with other ids and fingerprints, for all others."""
    await desk.submit(**documents[0])
    await desk.work_off()
    async with desk.database.write() as session:
        first = await models.find_by_fingerprint(session, desk.ran[0])
        assert first is not None
        manifest = read_manifest(desk.artifacts, first)
        tables = await submit.look_up(session, [Recipe.parse(documents[0])])
        orders = [submit.place(Recipe.parse(document), tables, now=NOW) for document in documents]
        await submit.submit_orders(session, orders, owner=None, now=NOW)
    async with desk.database.write() as session:
        await leases.renew(session, RUNNER, until=NOW.replace(year=NOW.year + 1))
        for job in await leases.claim(session, RUNNER, kinds=["train"], limit=len(documents), now=NOW):
            await leases.complete(session, RUNNER, job, now=NOW)
            own = msgspec.structs.replace(manifest, id=job.payload["model_id"], fingerprint=str(job.dedupe))
            await models.publish(
                session, manifest=own, graph_sha256=first.graph_sha256, manifest_sha256=first.manifest_sha256
            )


async def _jobs(desk: Desk) -> int:
    async with desk.database.read() as session:
        return await session.scalar(select(func.count()).select_from(JobRow)) or 0


if __name__ == "__main__":
    main()
