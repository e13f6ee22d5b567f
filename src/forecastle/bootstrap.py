"""The only place that chooses implementations and wires them together."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from forecastle.auth import users
from forecastle.auth.callers import Callers
from forecastle.auth.keys import signing_key
from forecastle.auth.passwords import Passwords, open_passwords
from forecastle.auth.tokens import Tokens
from forecastle.clock import Clock, SystemClock
from forecastle.data.storage import TableStore
from forecastle.db import Database, open_database, schema
from forecastle.errors import BadInput, ForecastleError, SettingsError, clip
from forecastle.jobs import leases
from forecastle.jobs.feed import JobFeed
from forecastle.registry.artifacts import ArtifactStore
from forecastle.settings import Settings
from forecastle.telemetry.metrics import Metrics
from forecastle.uploads.inspector import Inspector

KindName: TypeAlias = Literal["train"]
"""What the kinds of jobs are called."""
KINDS: tuple[KindName, ...] = get_args(KindName)

if TYPE_CHECKING:
    from forecastle.jobs.kinds import JobKind
    from forecastle.jobs.ray import RayExecutor
    from forecastle.jobs.runner import Runner
    from forecastle.serving.opening import Serving


@dataclass(frozen=True, slots=True)
class Stores:
    """All that is kept, and the keys to it."""

    settings: Settings
    clock: Clock
    database: Database
    tables: TableStore
    artifacts: ArtifactStore
    passwords: Passwords
    tokens: Tokens
    inspector: Inspector


@dataclass(frozen=True, slots=True)
class Services(Stores):
    """What a process that predicts works with."""

    metrics: Metrics
    serving: "Serving"
    callers: Callers
    job_feed: JobFeed


@asynccontextmanager
async def open_stores(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Stores]:
    """What is kept, opened without what predicting takes. The database need not be reachable yet.

    Raises:
        SettingsError: the settings cannot be used.
    """
    clock = clock or SystemClock()
    _make_home(settings.home)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database, home=settings.home))
        yield Stores(
            settings=settings,
            clock=clock,
            database=database,
            tables=TableStore(settings.home / "datasets"),
            artifacts=open_artifacts(settings),
            passwords=await stack.enter_async_context(open_passwords()),
            tokens=Tokens(signing_key(settings.auth, home=settings.home), settings.auth, clock),
            inspector=Inspector(settings.uploads, most_rows=settings.serving.max_batch_rows),
        )


@asynccontextmanager
async def open_services(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Services]:
    """Everything a process needs, opened in order and closed in reverse. The database need not be reachable yet.

    Raises:
        SettingsError: the settings cannot be used.
    """
    from forecastle.serving.opening import open_serving  # noqa: PLC0415 - ONNX Runtime, which few commands need

    metrics = Metrics()
    async with (
        open_stores(settings, clock=clock) as stores,
        open_serving(
            stores.database,
            stores.tables,
            stores.artifacts,
            settings=settings.serving,
            clock=stores.clock,
            metrics=metrics,
        ) as serving,
    ):
        yield Services(
            settings=stores.settings,
            clock=stores.clock,
            database=stores.database,
            tables=stores.tables,
            artifacts=stores.artifacts,
            passwords=stores.passwords,
            tokens=stores.tokens,
            inspector=stores.inspector,
            metrics=metrics,
            serving=serving,
            callers=Callers(stores.database, stores.tokens, stores.clock),
            job_feed=JobFeed(stores.database),
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


def open_artifacts(settings: Settings) -> ArtifactStore:
    """The store of models; nothing is connected yet.

    Raises:
        SettingsError: the URL names no kind of storage that is installed.
    """
    try:
        return ArtifactStore(artifacts_url(settings))
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"FORECASTLE_ARTIFACTS_URL: expected a URL that fsspec knows: {clip(error.args[0])}"
        ) from error


async def prepare(stores: Stores) -> str | None:
    """Bring the schema up to date and make the first admin; returns the admin's password if it was made now.

    Raises:
        Unavailable: the database cannot be reached.
    """
    if await schema.current(stores.database) != schema.NEWEST:
        from forecastle.db import migrate  # noqa: PLC0415 - 10 MB and 0.1 s, once a release

        await migrate.upgrade(stores.database)
    return await users.ensure_admin(stores.database, stores.passwords, now=stores.clock.now())


def known_kind(kind: str | None) -> KindName | None:
    """`kind`, if there are jobs of that kind, or None.

    Raises:
        BadInput: there are none.
    """
    if kind is None or kind in KINDS:
        return kind
    raise BadInput.at("kind", expected=f"one of {', '.join(KINDS)}", found=kind)


def job_kinds(stores: Stores) -> "Mapping[str, JobKind]":
    """Every kind of job there is."""
    from forecastle.jobs.kinds import JobKind  # noqa: PLC0415 - few processes train
    from forecastle.training.finish import publish_model  # noqa: PLC0415
    from forecastle.training.search import stopping  # noqa: PLC0415
    from forecastle.training.search.steer import steer  # noqa: PLC0415
    from forecastle.training.submit import SHARED  # noqa: PLC0415

    steered = partial(steer, stores.database, stores.artifacts, stores.clock)
    train = JobKind(
        "forecastle.training.worker:run", publish_model, measured=stopping.hear, steer=steered, shares=SHARED
    )
    return {"train": train}


def build_runner(stores: Stores) -> "Runner":
    """The runner of this process, knowing every kind of job."""
    from forecastle.jobs.runner import Runner  # noqa: PLC0415 - few processes train

    settings, kinds = stores.settings, job_kinds(stores)
    return Runner(
        stores.database,
        kinds,
        settings=settings.jobs,
        home=settings.home,
        artifacts_url=artifacts_url(settings),
        clock=stores.clock,
        executor=_ray_executor(settings, kinds) if settings.jobs.executor == "ray" else None,
    )


def _ray_executor(settings: Settings, kinds: "Mapping[str, JobKind]") -> "RayExecutor":
    from forecastle.jobs.kinds import modules, shared  # noqa: PLC0415 - few processes train
    from forecastle.jobs.ray import RayExecutor  # noqa: PLC0415 - an extra

    return RayExecutor(
        address=settings.jobs.ray_address,
        workers=settings.jobs.workers,
        recycle_after=settings.jobs.recycle_after,
        folder=settings.home / "jobs",
        modules=modules(kinds),
        shared=shared(kinds),
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
