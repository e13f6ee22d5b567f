"""The only place that chooses implementations and wires them together."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from forecastle.auth import users
from forecastle.auth.keys import signing_key
from forecastle.auth.passwords import Passwords, open_passwords
from forecastle.auth.tokens import Tokens
from forecastle.clock import Clock, SystemClock
from forecastle.data.storage import TableStore
from forecastle.db import Database, migrate, open_database
from forecastle.errors import ForecastleError, SettingsError
from forecastle.jobs import leases
from forecastle.jobs.feed import JobFeed
from forecastle.jobs.kinds import JobKind
from forecastle.jobs.ray import RayExecutor
from forecastle.jobs.runner import Runner
from forecastle.registry.artifacts import ArtifactStore
from forecastle.serving.opening import Serving, open_serving
from forecastle.settings import Settings
from forecastle.telemetry.metrics import Metrics
from forecastle.training.finish import publish_model
from forecastle.training.search import pruning
from forecastle.training.search.steer import steer


@dataclass(frozen=True, slots=True)
class Services:
    """What a process of Forecastle works with."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    database: Database
    tables: TableStore
    artifacts: ArtifactStore
    passwords: Passwords
    tokens: Tokens
    serving: Serving
    job_feed: JobFeed


@asynccontextmanager
async def open_services(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Services]:
    """Everything a process needs, opened in order and closed in reverse. The database need not be reachable yet.

    Raises:
        SettingsError: the settings cannot be used.
    """
    clock = clock or SystemClock()
    _make_home(settings.home)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database, home=settings.home))
        tables = TableStore(settings.home / "datasets")
        artifacts = ArtifactStore(artifacts_url(settings))
        metrics = Metrics()
        yield Services(
            settings=settings,
            clock=clock,
            metrics=metrics,
            database=database,
            tables=tables,
            artifacts=artifacts,
            passwords=await stack.enter_async_context(open_passwords()),
            tokens=Tokens(signing_key(settings.auth, home=settings.home), settings.auth, clock),
            serving=await stack.enter_async_context(
                open_serving(database, tables, artifacts, settings=settings.serving, clock=clock, metrics=metrics)
            ),
            job_feed=JobFeed(database),
        )


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"FORECASTLE_HOME: expected a folder that can be written, found {home}") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingsError(f"FORECASTLE_HOME: expected a folder that can be written, found {home}")


def artifacts_url(settings: Settings) -> str:
    """Where models are kept: the URL given, or a folder of the home."""
    return settings.artifacts_url or (settings.home / "artifacts").as_uri()


async def prepare(services: Services) -> str | None:
    """Bring the schema up to date and make the first admin; returns the admin's password if it was made now.

    Raises:
        Unavailable: the database cannot be reached.
    """
    await migrate.upgrade(services.database)
    return await users.ensure_admin(services.database, services.passwords, now=services.clock.now())


def job_kinds(services: Services) -> Mapping[str, JobKind]:
    """Every kind of job there is."""
    steered = partial(steer, services.database, services.artifacts, services.clock)
    train = JobKind("forecastle.training.worker:run", publish_model, measured=pruning.hear, steer=steered)
    return {"train": train}


def build_runner(services: Services) -> Runner:
    """The runner of this process, knowing every kind of job."""
    settings, kinds = services.settings, job_kinds(services)
    return Runner(
        services.database,
        kinds,
        settings=settings.jobs,
        home=settings.home,
        artifacts_url=artifacts_url(settings),
        clock=services.clock,
        executor=_ray_executor(settings, kinds) if settings.jobs.executor == "ray" else None,
    )


def _ray_executor(settings: Settings, kinds: Mapping[str, JobKind]) -> RayExecutor:
    return RayExecutor(
        address=settings.jobs.ray_address,
        workers=settings.jobs.workers,
        recycle_after=settings.jobs.recycle_after,
        folder=settings.home / "jobs",
        modules=tuple({kind.module for kind in kinds.values()}),
    )


async def check_parts(services: Services) -> dict[str, str | None]:
    """What is wrong with each part, or None where it is well."""
    try:
        async with services.database.read() as session:
            runners = await leases.live_runners(session, now=services.clock.now())
    except ForecastleError as error:
        return {
            "database": error.message,
            "runner": "not known while the database is away",
            "serving": services.serving.trouble,
        }
    idle = None if runners else "no runner is at work: jobs wait until one is started"
    return {"database": None, "runner": idle, "serving": services.serving.trouble}
