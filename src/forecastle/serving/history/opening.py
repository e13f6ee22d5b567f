"""Which writer belongs to which database."""

from typing import Any

from forecastle.db import Database
from forecastle.serving.history.postgresql import PostgresqlStore
from forecastle.serving.history.sqlite import SqliteStore
from forecastle.serving.history.writer import HistoryWriter
from forecastle.settings import ServingSettings


def history_writer(database: Database, settings: ServingSettings) -> HistoryWriter:
    """The writer for the kind of database in use; enter it to start it."""
    timeout_s = settings.history_timeout_s
    if database.dialect == "sqlite":
        # a lock is given up on before those who wait for it give up, so that they learn that they are not stored
        return HistoryWriter(SqliteStore(database.url.database or "", lock_timeout_s=timeout_s / 2), settings)
    return HistoryWriter(PostgresqlStore(_connect_arguments(database), timeout_s=timeout_s), settings)


def _connect_arguments(database: Database) -> dict[str, Any]:
    """What the driver is called with for this database, less what only the engine's dialect knows."""
    _, arguments = database.engine.dialect.create_connect_args(database.url)
    return {name: value for name, value in arguments.items() if not name.startswith("prepared_statement")}
