"""History in PostgreSQL: a connection of its own, one COPY per group, which is a transaction in itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import msgspec

from forecastle.errors import clip
from forecastle.serving.errors import HistoryUnavailable, PredictionRefused
from forecastle.serving.history.record import COLUMNS, Record

REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, UnicodeEncodeError)
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

# a server may be set to answer before the log is on disk; an acknowledged prediction must not depend on that
DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


class PostgresqlStore:
    """Commits groups over a connection that `arguments` open; connecting and committing may each take `timeout_s`."""

    def __init__(self, arguments: Mapping[str, Any], *, timeout_s: float) -> None:
        self._arguments = arguments
        self._timeout_s = timeout_s
        self._connection: Any = None

    async def open(self) -> None:
        """Connect.

        Raises:
            HistoryUnavailable: the server cannot be reached, or refuses us.
        """
        self._drop()
        settings = {
            "application_name": "forecastle history",
            "statement_timeout": str(int(self._timeout_s * 1000)),
            "timezone": "UTC",
        }
        limits = {"timeout": self._timeout_s, "command_timeout": self._timeout_s, "server_settings": settings}
        with _explained():
            self._connection = await asyncpg.connect(**{**self._arguments, **limits})
            await self._connection.execute(DURABLE)

    async def commit(self, records: Sequence[Record]) -> None:
        """Copy all of them in.

        Raises:
            PredictionRefused: one of them is not accepted; none is stored.
            HistoryUnavailable: the connection failed; whether they are stored is not known.
        """
        if self._connection is None or self._connection.is_closed():
            await self.open()
        rows = map(msgspec.structs.astuple, records)
        with _explained():
            await self._connection.copy_records_to_table(
                "predictions", records=rows, columns=COLUMNS, timeout=self._timeout_s
            )

    async def close(self) -> None:
        """Disconnect."""
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except REFUSALS as error:
        raise PredictionRefused(f"the prediction cannot be stored: {clip(str(error), 200)}") from error
    except FAILURES as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise HistoryUnavailable(f"the database does not store predictions now: {reason}") from error
