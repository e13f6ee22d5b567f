"""The group-commit writer: what waits together is committed together, and nothing is acknowledged before that."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

import structlog

from forecastle.errors import ForecastleError
from forecastle.serving.errors import HistoryFull, HistoryUnavailable, PredictionRefused
from forecastle.serving.history.record import Record
from forecastle.settings import ServingSettings

log = structlog.get_logger("forecastle.history")

ALARMS = 20
"""How often within the time that a prediction may wait somebody looks whether one has."""
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 2.0


class Store(Protocol):
    """Where groups are committed; used by one task at a time."""

    async def open(self) -> None:
        """Connect; a connection that was open before is dropped.

        Raises:
            HistoryUnavailable: the database cannot be reached.
        """
        ...

    async def commit(self, records: Sequence[Record]) -> None:
        """Store all of them or none; returning means that they are committed.

        Raises:
            PredictionRefused: none is stored, because the database does not accept one of them.
            HistoryUnavailable: the connection is of no more use, and whether they are stored is not known.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class HistoryWriter:
    """Stores predictions in the order in which they were appended.

    While one group is being committed the next one gathers. When the database fails, everything that waits fails at
    once, and so does every append until the connection is back, which is tried from then on.
    """

    def __init__(self, store: Store, settings: ServingSettings) -> None:
        self._store = store
        self._limit = settings.history_queue_rows
        self._timeout_s = settings.history_timeout_s
        self._queue: list[_Entry] = []
        self._group: Sequence[_Entry] = ()
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting_rows = 0
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._trouble: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_rows(self) -> int:
        """Predictions that wait for their commit."""
        return self._waiting_rows

    @property
    def trouble(self) -> str | None:
        """Why predictions cannot be stored now; None when they can."""
        return self._trouble

    async def __aenter__(self) -> Self:
        """Connect; if that fails the writer is there all the same, and goes on trying."""
        try:
            await self._store.open()
        except HistoryUnavailable as error:
            self._fail_pending(error)
        self._task = asyncio.create_task(self._run(), name="history")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Commit what waits, refuse what comes, disconnect."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._alarm is not None:
            self._alarm.cancel()
        await self._store.close()

    async def append(self, *records: Record) -> None:
        """Store the records; returning means that all of them are committed, together.

        Raises:
            HistoryFull: too many wait already.
            HistoryUnavailable: not committed, or not known to be; they must not be acknowledged.
            PredictionRefused: the database does not accept them.
        """
        if self._closing.is_set():
            raise HistoryUnavailable("the service is shutting down")
        if self._trouble is not None:
            raise HistoryUnavailable(self._trouble)
        if self._waiting_rows + len(records) > self._limit:
            raise HistoryFull(f"{self._waiting_rows} predictions wait for their commit already; try again")
        entry = _Entry(records)
        self._queue.append(entry)
        self._waiting_rows += len(records)
        self._wake.set()
        if self._alarm is None:
            self._set_alarm()
        await entry.committed

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_later(self._timeout_s / ALARMS, self._expire)

    def _expire(self) -> None:
        """Fail what has waited for too long."""
        self._alarm = None
        latest_s = asyncio.get_running_loop().time() - self._timeout_s
        for entry in (*self._group, *self._queue):
            if entry.since_s <= latest_s:
                entry.fail(HistoryUnavailable(f"the prediction was not committed within {self._timeout_s:g} s"))
        if self._group or self._queue:
            self._set_alarm()

    async def _run(self) -> None:
        while not (self._closing.is_set() and not self._queue):
            if self._trouble is not None:
                await self._reconnect()
                continue
            await self._wake.wait()
            self._wake.clear()
            group = self._group = self._take()
            try:
                await self._commit(group)
            except HistoryUnavailable as error:
                log.warning("predictions were not stored", rows=_rows(group), reason=error.message)
                self._fail_pending(error, group)
            except Exception as error:  # the writer outlives whatever happens to a group
                log.exception("predictions were not stored", rows=_rows(group))
                self._fail_pending(error, group)
            finally:
                self._group = ()
                self._waiting_rows -= _rows(group)

    def _take(self) -> list["_Entry"]:
        taken, self._queue = self._queue, []
        group = [entry for entry in taken if not entry.committed.done()]
        self._waiting_rows -= sum(len(entry.records) for entry in taken if entry.committed.done())
        return group

    async def _commit(self, group: Sequence["_Entry"]) -> None:
        """Commit the group; should one entry be refused, find it by halves, so that it fails alone."""
        if not group:
            return
        try:
            await self._store.commit([record for entry in group for record in entry.records])
        except PredictionRefused as error:
            if len(group) == 1:
                group[0].fail(error)
                return
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
        else:
            for entry in group:
                entry.succeed()

    def _fail_pending(self, error: Exception, group: Sequence["_Entry"] = ()) -> None:
        reason = error.message if isinstance(error, ForecastleError) else "predictions cannot be stored now"
        self._trouble = reason
        queued, self._queue = self._queue, []
        self._waiting_rows -= sum(len(entry.records) for entry in queued)
        for entry in (*group, *queued):
            entry.fail(HistoryUnavailable(reason))

    async def _reconnect(self) -> None:
        wait_s = FIRST_RETRY_S
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait_s)
            try:
                await self._store.open()
            except HistoryUnavailable as error:
                self._trouble = error.message
                wait_s = min(2 * wait_s, LAST_RETRY_S)
            else:
                self._trouble = None
                log.info("predictions are stored again")
                return


class _Entry:
    """What one caller appended, and the promise made to it."""

    __slots__ = ("committed", "records", "since_s")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        loop = asyncio.get_running_loop()
        self.since_s = loop.time()
        self.committed: asyncio.Future[None] = loop.create_future()

    def succeed(self) -> None:
        if not self.committed.done():
            self.committed.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.committed.done():
            self.committed.set_exception(error)


def _rows(entries: Sequence[_Entry]) -> int:
    return sum(len(entry.records) for entry in entries)
