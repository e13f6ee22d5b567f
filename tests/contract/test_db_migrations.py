"""The migrations make exactly the schema that the rooms declare, and can be taken back."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import forecastle
from forecastle.db import Base, Database, migrate, open_database, schema
from forecastle.db.errors import SchemaMissing, SchemaUnknown
from forecastle.errors import BadInput
from forecastle.settings import DatabaseSettings

TABLES = "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
COLUMNS = """
    SELECT table_name, concat_ws(' ', column_name, data_type, character_maximum_length, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
"""
TRIGGERS = """
    SELECT tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid) || prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal
"""
FACTS = {"sqlite": [TABLES], "postgresql": [INDEXES, CONSTRAINTS, COLUMNS, TRIGGERS]}


@pytest.fixture
async def empty(empty_database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Database]:
    _import_all_tables()
    async with open_database(empty_database_settings, home=tmp_path) as database:
        yield database


def _import_all_tables() -> None:
    for file in Path(forecastle.__file__).parent.glob("*/tables.py"):
        importlib.import_module(f"forecastle.{file.parent.name}.tables")


async def _tables(database: Database) -> set[str]:
    async with database.connect() as connection:
        return set(await connection.run_sync(lambda bound: inspect(bound).get_table_names())) - {"alembic_version"}


async def _schema(database: Database) -> set[tuple[str, str]]:
    """Everything that the database itself says about tables, columns, constraints and indexes."""
    async with database.connect() as connection:
        rows = [row for fact in FACTS[database.dialect] for row in await connection.execute(text(fact))]
    return {(table, _in_any_order(fact)) for table, fact in rows if table != "alembic_version"}


def _in_any_order(definition: str) -> str:
    """SQLite keeps the statement that made a table; where in it a constraint stands makes no difference."""
    return " | ".join(sorted(part.strip(" \n\t()") for part in definition.split(",")))


async def test_up_down_and_up_again(empty: Database) -> None:
    await migrate.upgrade(empty)
    assert await _tables(empty) == set(Base.metadata.tables)
    first = await _schema(empty)
    await migrate.downgrade(empty, "base")
    assert await _tables(empty) == set()
    assert await schema.current(empty) is None
    await migrate.upgrade(empty)
    assert await _schema(empty) == first


async def test_what_is_pending_is_applied_once(empty: Database) -> None:
    before = await migrate.pending(empty)
    assert before
    await migrate.upgrade(empty)
    assert await schema.current(empty) == before[-1] == schema.NEWEST
    assert await migrate.pending(empty) == ()
    await migrate.upgrade(empty)
    assert await schema.current(empty) == before[-1]


async def test_the_migrations_equal_the_declared_tables_for_alembic(empty: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    await migrate.upgrade(empty)
    async with empty.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_migrations_equal_the_declared_tables_for_the_database(empty: Database) -> None:
    await migrate.upgrade(empty)
    migrated = await _schema(empty)
    await migrate.downgrade(empty, "base")
    async with empty.connect(writes=True) as connection:
        await connection.run_sync(Base.metadata.create_all)
    assert migrated == await _schema(empty)


async def test_processes_that_upgrade_at_once_take_turns(
    empty_database_settings: DatabaseSettings, empty: Database, tmp_path: Path
) -> None:
    async def upgrade_on_its_own() -> None:
        async with open_database(empty_database_settings, home=tmp_path) as database:
            await migrate.upgrade(database)

    await asyncio.gather(*(upgrade_on_its_own() for _ in range(5)))
    assert await migrate.pending(empty) == ()
    assert await _tables(empty) == set(Base.metadata.tables)


@pytest.mark.parametrize("revision", ["nonsense", "+99"])
async def test_an_unknown_revision_is_named(empty: Database, revision: str) -> None:
    with pytest.raises(BadInput, match="revision: expected one that exists"):
        await migrate.upgrade(empty, revision)
    assert await _tables(empty) == set()


async def test_a_database_from_the_future_is_left_alone(empty: Database) -> None:
    await migrate.upgrade(empty)
    async with empty.connect(writes=True) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaUnknown, match="revision 9999"):
        await migrate.upgrade(empty)


async def test_a_database_without_schema_says_what_to_do(empty: Database) -> None:
    with pytest.raises(SchemaMissing, match="forecastle db upgrade"):
        async with empty.read() as session:
            await session.execute(text("SELECT id FROM users"))
