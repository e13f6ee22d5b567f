"""The port behind which jobs run: here in a pool of local processes, elsewhere on a cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from forecastle.jobs.journal import News, Outcome
from forecastle.types import JsonObject


@dataclass(frozen=True, slots=True)
class Task:
    """One start of one job, as a worker needs it."""

    job_id: str
    attempt: int
    run: str
    """The function, as `package.module:name`."""
    payload: JsonObject
    home: Path
    artifacts_url: str
    timeout_s: float
    memory_bytes: int | None = None
    """The most memory it may use; None leaves it most of the machine's."""
    cache_bytes: int = 0
    """How much jobs may keep in the home for those that come after them."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What ran the task is gone, through no fault of the task that anybody could see; it may be run again."""

    reason: str


class Executor(Protocol):
    """Runs tasks side by side, each where it can be killed alone."""

    @property
    def workers(self) -> int:
        """How many tasks run at once."""
        ...

    async def __aenter__(self) -> Self:
        """Get ready.

        Raises:
            SettingsError: the tasks cannot be run as the settings want it.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what runs, and leave nothing behind."""
        ...

    async def run(self, task: Task, follow: Callable[[News], None]) -> Outcome | Lost:
        """Run one task and hand what it reports and logs to `follow`. Whatever happens to the task is an outcome.

        Cancelling the call kills the task before it returns.
        """
        ...
