"""One API process: it opens its services at start-up, waits for a database that is late, and closes at shutdown."""

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from forecastle.api.app import application
from forecastle.api.first_start import show_admin_password
from forecastle.bootstrap import Services, open_services, prepare
from forecastle.errors import ForecastleError, Unavailable
from forecastle.settings import Settings, load_settings
from forecastle.telemetry.logs import configure_logs

log = structlog.get_logger("forecastle.server")

DATABASE_RETRY_S = 1.0
COLLECTED_OBJECTS = 20_000


class Application:
    """The ASGI application of one process, services included."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.door: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the life span of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self.door is not None:
            await self.door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(self.settings))
                await stack.enter_async_context(_preparing(services))
            except ForecastleError as error:
                await send({"type": "lifespan.startup.failed", "message": error.message})
                return
            self.door = application(services)
            # the server would wait for streams that never end
            stack.enter_context(_first_when_told_to_end(services.job_feed.close))
            _collect_rarely()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def from_environment() -> Application:
    """The application as an additional worker process starts it."""
    settings = load_settings()
    configure_logs(settings.log)
    return Application(settings)


def _collect_rarely() -> None:
    """Look for cycles among what requests leave, which is nearly nothing, and not among what lives as long as this."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, *gc.get_threshold()[1:])


@contextlib.contextmanager
def _first_when_told_to_end(act: Callable[[], None]) -> Iterator[None]:
    """Do it when a signal asks this process to end, before the server deals with the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handle for number, handle in found.items() if callable(handle)}
    for number, handle in handlers.items():
        signal.signal(number, partial(_act_first, loop, act, handle))
    try:
        yield
    finally:
        for number, handle in handlers.items():
            signal.signal(number, handle)


def _act_first(
    loop: asyncio.AbstractEventLoop, act: Callable[[], None], handle: Callable[..., Any], number: int, frame: Any
) -> None:
    loop.call_soon_threadsafe(act)
    handle(number, frame)


@contextlib.asynccontextmanager
async def _preparing(services: Services) -> AsyncIterator[None]:
    """Bring the schema up to date now, or keep trying in the background while the database is away."""
    try:
        await _prepare(services)
    except Unavailable as error:
        log.warning("the database is away; serving degraded and trying again", reason=error.message)
        async with asyncio.TaskGroup() as group:
            retry = group.create_task(_keep_preparing(services))
            try:
                yield
            finally:
                retry.cancel()
    else:
        yield


async def _keep_preparing(services: Services) -> None:
    while True:
        await asyncio.sleep(DATABASE_RETRY_S)
        with contextlib.suppress(Unavailable):
            await _prepare(services)
            log.info("the database is back")
            return


async def _prepare(services: Services) -> None:
    password = await prepare(services)
    if password is not None:
        show_admin_password(password)
