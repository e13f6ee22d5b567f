"""Seeing work through: progress on standard error, and somebody who does it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, Self, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.bootstrap import Stores, build_runner
from forecastle.cli.console import err
from forecastle.jobs import leases, lifeline

POLL_S = 0.2


class Watched(Protocol):
    """Something that goes on until it has ended: a training, or a search."""

    @property
    def label(self) -> str:
        """What it is."""
        ...

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        ...

    @property
    def progress(self) -> tuple[float, str]:
        """The share that is done, 0 to 1, and what is being done."""
        ...

    async def look(self, session: AsyncSession) -> Self:
        """The same as it stands now."""
        ...


Some = TypeVar("Some", bound=Watched)


async def see_through(stores: Stores, items: Sequence[Some]) -> list[Some]:
    """Wait until all of them have ended; where nobody works on them, do it here."""
    items = list(items)
    if all(item.ended for item in items):
        return items
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[doing]}", markup=False),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
    async with worked_off(stores) as work:
        with bars:
            tasks = [bars.add_task(item.label, total=1.0, doing="") for item in items]
            while not work.done():
                async with stores.database.read() as session:
                    items = [item if item.ended else await item.look(session) for item in items]
                for task, item in zip(tasks, items, strict=True):
                    share, doing = item.progress
                    bars.update(task, completed=share, doing=doing)
                if all(item.ended for item in items):
                    break
                await asyncio.sleep(POLL_S)
    return items


@asynccontextmanager
async def worked_off(stores: Stores) -> AsyncIterator[asyncio.Task[None]]:
    """While inside, someone works the queue off: a runner of this process whenever there is no other.

    The task that is yielded ends early only with the error that stopped the runner.
    """
    stop = asyncio.Event()
    work = asyncio.create_task(_stand_in(stores, stop))
    try:
        yield work
    finally:
        stop.set()
        await work


async def _stand_in(stores: Stores, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if not await _has_runner(stores):
            async with build_runner(stores) as runner:
                await runner.run_forever(stop)
        await asyncio.sleep(POLL_S)


async def _has_runner(stores: Stores) -> bool:
    async with stores.database.read() as session:
        runners = await leases.live_runners(session, now=stores.clock.now())
    return any(not lifeline.is_cut(stores.settings.home / "jobs", runner) for runner in runners)
