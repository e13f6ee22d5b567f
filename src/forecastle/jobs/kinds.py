"""What the runner must know of a kind of job."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.jobs.job import Job
from forecastle.jobs.journal import Measured
from forecastle.types import JsonObject


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of a kind are run and finished."""

    run: str
    """Import path `package.module:name` of the function that a worker calls with the payload and a `JobContext`."""
    finish: Callable[[AsyncSession, Job, JsonObject], Awaitable[JsonObject]]
    """Turns the worker's result into the job's, in the transaction that completes the job."""
    measured: Callable[[AsyncSession, Job, Sequence[Measured], datetime], Awaitable[None]] | None = None
    """Hears what a running job measured, in the transaction that stores its news; it may cancel the job."""
    steer: Callable[[], Awaitable[None]] | None = None
    """Called by every runner after jobs ended, and with every beat: it may submit more jobs."""
    shares: tuple[str, ...] = ()
    """Modules that take long to load and start no thread: worker processes are forked from one that has loaded them."""

    @property
    def module(self) -> str:
        """The module that a worker loads."""
        return self.run.partition(":")[0]


def modules(kinds: Mapping[str, JobKind]) -> tuple[str, ...]:
    """The modules of all kinds."""
    return tuple({kind.module for kind in kinds.values()})


def shared(kinds: Mapping[str, JobKind]) -> tuple[str, ...]:
    """What any kind shares."""
    return tuple(dict.fromkeys(module for kind in kinds.values() for module in kind.shares))
