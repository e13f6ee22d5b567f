"""Single flight: work that many ask for at the same time is done once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    """Work under way, by key. Whoever stops waiting does not stop the work for the others."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives or raises; joined if work of that key is under way already."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_begun(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        result: T = await asyncio.shield(task)
        return result

    async def close(self) -> None:
        """Wait for everything that is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _land(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # those who waited were told; if nobody did, it is of no interest


async def _begun(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
