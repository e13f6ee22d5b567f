"""Listening to jobs: what the database knows already, and then what happens, without a gap between the two."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from forecastle.jobs.events import Logged, Overrun, StatusChanged, Subscription, Told
from forecastle.jobs.feed import OVERLAP, PAGE, JobFeed, read_changes, read_lines, read_progress
from forecastle.jobs.tables import JobChangeRow, JobLineRow

SILENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Position:
    """How much a listener was told: the numbers of the last change and of the last line."""

    change: int = 0
    line: int = 0

    def after(self, event: Told | None) -> "Position":
        """The position once this was told, or nothing was."""
        match event:
            case StatusChanged(number=number):
                return replace(self, change=max(self.change, number))
            case Logged(number=number):
                return replace(self, line=number)
            case _:
                return self


START = Position()
Heard: TypeAlias = tuple[Position, Told | None]
"""An event and the position after it; None when all is silent for a while."""


async def listen_to_job(feed: JobFeed, job_id: str, after: Position = START) -> AsyncGenerator[Heard, None]:
    """Every status, the log and the progress of one job from a position on, until it has ended.

    The job must exist.
    """
    async with feed.subscribe(job_id) as subscription:
        position = after
        async for known in _known(feed, job_id, position):
            position = position.after(known)
            yield position, known
            if isinstance(known, StatusChanged) and known.is_last:
                return
        async for event in _happening(subscription):
            if isinstance(event, StatusChanged) and event.is_last:
                async for last in _known(feed, job_id, position):  # its last lines may still be on their way
                    position = position.after(last)
                    yield position, last
                return
            if not _was_told(event, position):
                position = position.after(event)
                yield position, event


async def listen_to_all(feed: JobFeed, after: Position | None = None) -> AsyncGenerator[Heard, None]:
    """Status and progress of all jobs from a position on, or from now on.

    A change that was told shortly before the position may be told again.
    """
    async with feed.subscribe() as subscription:
        position, told = after or START, set[int]()
        if after is not None:
            start = after.change - OVERLAP
            while True:
                async with feed.database.read() as session:
                    known = await read_changes(session, JobChangeRow.number > start)
                for change in known:
                    told.add(change.number)
                    position = position.after(change)
                    yield position, change
                if len(known) < PAGE:
                    break
                start = known[-1].number
        async for event in _happening(subscription):
            if isinstance(event, StatusChanged) and event.number in told:
                continue
            position = position.after(event)
            yield position, event


async def _happening(subscription: Subscription) -> AsyncIterator[Told | None]:
    """Events as they come, until the feed is closed or this listener is too slow to be kept."""
    while not subscription.closed:
        try:
            yield await subscription.take(SILENCE_S)
        except Overrun:
            return


async def _known(feed: JobFeed, job_id: str, after: Position) -> AsyncIterator[Told]:
    """What the database knows of a job: its changes, but the last one after its log and progress."""
    async with feed.database.read() as session:
        changes = await read_changes(session, (JobChangeRow.job_id == job_id) & (JobChangeRow.number > after.change))
        progress = [each for each in await read_progress(session) if each.job_id == job_id]
    for change in changes:
        if not change.is_last:
            yield change
    last = after.line
    while True:
        async with feed.database.read() as session:
            lines = await read_lines(session, (JobLineRow.job_id == job_id) & (JobLineRow.number > last))
        for line in lines:
            yield line
        if len(lines) < PAGE:
            break
        last = lines[-1].number
    for each in progress:
        yield each
    for change in changes:
        if change.is_last:
            yield change


def _was_told(event: Told | None, position: Position) -> bool:
    match event:
        case StatusChanged(number=number):
            return number <= position.change
        case Logged(number=number):
            return number <= position.line
        case _:
            return False
