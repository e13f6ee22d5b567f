"""What happens to jobs, as events, and the port through which they are published.

In one process they go through an `EventHub`; `feed` finds them in the database and publishes them.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from forecastle.jobs.machine import ENDED, Status

ROOM = 1000
MAX_STATUSES = 10 * ROOM


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A job came into a status."""

    job_id: str
    number: int
    """Grows with every change of any job; no two have the same."""
    kind: str
    status: Status
    attempt: int
    at: datetime
    error: str | None

    @property
    def is_last(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Progressed:
    """A running job has got so far."""

    job_id: str
    progress: float
    message: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A job logged a line."""

    job_id: str
    number: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Missed:
    """So many lines came faster than they were taken, and are not told here."""

    lines: int


JobEvent: TypeAlias = StatusChanged | Progressed | Logged
Told: TypeAlias = JobEvent | Missed


class JobEvents(Protocol):
    """Where events of jobs are published."""

    def publish(self, event: JobEvent) -> None:
        """Hand an event on. It neither waits nor fails, whoever listens."""
        ...


class Overrun(Exception):
    """A subscriber takes nothing any more; what it misses is still in the database."""


class Subscription:
    """Events on their way to one subscriber, at most `room` of them.

    Of a job's progress the latest is kept. When there is no room, progress and log lines give way, the oldest first;
    a change of status never does.
    """

    def __init__(self, room: int = ROOM, max_statuses: int = MAX_STATUSES) -> None:
        self._room = room
        self._max_statuses = max_statuses
        self._waiting: dict[tuple[type, str | int], JobEvent] = {}
        self._missed_lines = 0
        self._closed = False
        self._news = asyncio.Event()

    def offer(self, event: JobEvent) -> None:
        """Take an event in."""
        key = (type(event), event.job_id if isinstance(event, Progressed) else event.number)
        self._waiting.pop(key, None)  # older progress of the same job
        self._waiting[key] = event
        if len(self._waiting) > self._room:
            self._make_room()
        self._news.set()

    def close(self) -> None:
        """Wake the subscriber for the last time."""
        self._closed = True
        self._news.set()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    async def take(self, within_s: float) -> Told | None:
        """The next event; None if none comes within that time, or nothing more will.

        Raises:
            Overrun: so many changes of status are waiting that this subscriber is given up.
        """
        if len(self._waiting) > self._max_statuses:
            raise Overrun
        if not self._waiting and not self._closed:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), within_s)
            except TimeoutError:
                return None
        if self._missed_lines:
            missed, self._missed_lines = Missed(self._missed_lines), 0
            return missed
        return self._waiting.pop(next(iter(self._waiting))) if self._waiting else None

    def _make_room(self) -> None:
        for key, event in self._waiting.items():
            if not isinstance(event, StatusChanged):
                del self._waiting[key]
                self._missed_lines += isinstance(event, Logged)
                return
        if len(self._waiting) > self._max_statuses + 1:
            self._waiting.popitem()


class EventHub:
    """The port within one process: every subscriber gets every event of the job, or of all jobs, it asked for."""

    def __init__(self) -> None:
        self._subscriptions: dict[Subscription, str | None] = {}

    @contextmanager
    def subscribe(self, job_id: str | None = None) -> Iterator[Subscription]:
        """A subscription to one job, or to the status and progress of all."""
        subscription = Subscription()
        self._subscriptions[subscription] = job_id
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]

    def publish(self, event: JobEvent) -> None:
        """Offer an event to whoever listens to its job; lines only to those who listen to no other."""
        for subscription, job_id in self._subscriptions.items():
            if job_id == event.job_id or (job_id is None and not isinstance(event, Logged)):
                subscription.offer(event)

    def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscriptions:
            subscription.close()
