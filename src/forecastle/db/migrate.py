"""Bringing the schema up or down by its migrations. Any number of processes may do so at once: they take turns."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, text

from forecastle.db.engine import Database
from forecastle.db.errors import SchemaUnknown
from forecastle.db.schema import current
from forecastle.errors import BadInput

LOCK = 0x666F7265  # any number, always the same: "fore"


async def upgrade(database: Database, revision: str = "head") -> None:
    """Apply the migrations up to and including `revision`, all or none of them.

    Raises:
        BadInput: there is no such revision.
        SchemaUnknown: a newer version was here.
        DatabaseUnavailable: the database cannot be reached.
    """
    if revision != "head" or await pending(database):
        await _alone(database, revision, command.upgrade)


async def downgrade(database: Database, revision: str) -> None:
    """Undo the migrations after `revision`; `base` undoes all, and every row is lost.

    Raises:
        BadInput: there is no such revision.
        DatabaseUnavailable: the database cannot be reached.
    """
    await _alone(database, revision, command.downgrade)


async def pending(database: Database) -> tuple[str, ...]:
    """The revisions that `upgrade` would apply, in that order.

    Raises:
        SchemaUnknown: the database is at a revision that this version does not have.
    """
    at = await current(database)
    try:
        steps = list(ScriptDirectory.from_config(_config()).iterate_revisions("head", at or "base"))
    except (CommandError, RevisionError) as error:
        raise SchemaUnknown(at) from error
    return tuple(step.revision for step in reversed(steps))


async def _alone(database: Database, revision: str, change: Callable[[Config, str], None]) -> None:
    async with database.connect(writes=True) as connection:
        if database.dialect == "postgresql":  # SQLite's write lock is held already
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        with _explained(revision):
            await connection.run_sync(lambda bound: change(_config(bound), revision))


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "forecastle.db:migrations")
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _explained(revision: str) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise BadInput.at("revision", expected=f"one that exists ({error})", found=revision) from error
