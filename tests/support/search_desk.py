"""A desk where searches are started and their jobs worked off in this process, on a database and without a pool."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.errors import ForecastleError
from forecastle.jobs import leases, queue
from forecastle.jobs.context import JobContext
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Journal, JournalReader, Measured
from forecastle.registry import removal
from forecastle.registry.artifacts import ArtifactStore
from forecastle.training import searches, trials, worker
from forecastle.training.finish import publish_model
from forecastle.training.recipe import Recipe
from forecastle.training.search import stopping
from forecastle.training.search.start import start_search
from forecastle.training.search.steer import steer
from forecastle.training.searches import Search, Standing
from forecastle.training.submit import TrainingSubmission, submit_training
from forecastle.training.trials import Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 240
FEATURES = ("value", "lag(value, 1)", "noise", "lag(noise, 1)", "lag(noise, 2)", "lag(noise, 3)", "lag(noise, 4)")
RECIPE: dict[str, Any] = {
    "name": "waves",
    "dataset": "waves",
    "features": ["value"],
    "algorithm": "ridge",
    "target": {"column": "value", "horizon": 1},
    "split": {"kind": "walk_forward", "train": 100, "test": 30},
}
RUNNER = "runner"


class Desk:
    """A home with a table of days: a wave, and noise that has nothing to do with it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.clock = ManualClock(NOW)
        self.store = TableStore(home / "datasets")
        self.artifacts = ArtifactStore((home / "artifacts").as_uri())
        self.ran: list[str] = []
        """Fingerprints of the recipes that were fitted, one for each time."""

    async def add(self, name: str = "waves", *, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        days = [NOW.date() + timedelta(days=day) for day in range(DAYS)]
        values = np.sin(np.arange(DAYS) / 5) + rng.normal(0, 0.2, DAYS)
        lines = (f"{day},{value},{rng.normal()}" for day, value in zip(days, values, strict=True))
        path = self.home / f"{name}.csv"
        path.write_text("\n".join(["day,value,noise", *lines]))
        await self.import_file(name, path)

    async def import_file(self, name: str, path: Path) -> None:
        await catalogue.import_file(self.database, self.store, path, ImportOptions(), name=name, now=NOW)

    async def start(self, search: Mapping[str, Any], **changes: Any) -> Standing:
        document = RECIPE | changes | {"search": dict(search)}
        return await start_search(self.database, self.store, self.artifacts, document, owner=None, now=self.clock.now())

    async def submit(self, **changes: Any) -> TrainingSubmission:
        async with self.database.write() as session:
            return await submit_training(session, Recipe.parse(RECIPE | changes), owner=None, now=self.clock.now())

    async def steer(self) -> None:
        await steer(self.database, self.artifacts, self.clock)

    async def work_off(self, limit: int = 10_000) -> int:
        """Run what waits, one after the other, and steer after each; how many there were."""
        for number in range(limit):
            job = await self.claim()
            if job is None:
                return number
            await self.run(job)
            await self.steer()
        return limit

    async def claim(self) -> Job | None:
        async with self.database.write() as session:
            await leases.renew(session, RUNNER, until=self.clock.now() + timedelta(days=1))
            claimed = await leases.claim(session, RUNNER, kinds=["train"], limit=1, now=self.clock.now())
        return claimed[0] if claimed else None

    async def run(self, job: Job) -> None:
        """What a runner does with a job: it hears what is measured, and publishes or fails."""
        self.ran.append(str(job.dedupe))
        path = self.home / f"{job.id}.jsonl"
        context = JobContext(job.id, self.home, (self.home / "artifacts").as_uri(), Journal(path))
        try:
            result = await asyncio.to_thread(worker.run, job.payload, context)
        except ForecastleError as error:
            async with self.database.write() as session:
                await leases.fail(session, RUNNER, job, error=error.message, now=self.clock.now())
            return
        for entry in JournalReader(path).read():
            if isinstance(entry, Measured):
                await self.hear(job, [entry])
        async with self.database.write() as session:
            completed = await leases.complete(session, RUNNER, job, now=self.clock.now())
            if completed is not None:
                await leases.keep_result(session, completed, await publish_model(session, completed, result))

    async def hear(self, job: Job, measured: Sequence[Measured]) -> None:
        async with self.database.write() as session:
            await stopping.hear(session, job, measured, self.clock.now())

    async def cancel(self, job_id: str | None) -> None:
        async with self.database.write() as session:
            await queue.cancel(session, str(job_id), now=self.clock.now())

    async def remove_model(self, model_id: str) -> None:
        await removal.remove_model(self.database, self.artifacts, model_id)

    async def search(self, search_id: str) -> Search:
        async with self.database.read() as session:
            return await searches.get(session, search_id)

    async def standing(self, search_id: str) -> Standing:
        async with self.database.read() as session:
            return await searches.standing(session, await searches.get(session, search_id))

    async def trials(self, search_id: str) -> tuple[Trial, ...]:
        async with self.database.read() as session:
            return await trials.of_search(session, search_id)

    async def job(self, job_id: str | None) -> Job:
        async with self.database.read() as session:
            return await queue.get(session, str(job_id))
