"""How SQLite goes about a page of the leaderboard: by indexes alone, in the order that they have."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from forecastle.db import Database, open_database
from forecastle.registry import leaderboard
from forecastle.registry.leaderboard import EXACT, Filters
from forecastle.settings import DatabaseSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WANTED: dict[str, Any] = {
    **dict.fromkeys(EXACT, "x"),
    "stage": "dev",
    "task": "regression",
    "tag": "x",
    "text": "x",
    "since": NOW,
    "until": NOW,
}


@pytest.fixture
async def database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = shutil.copy(sqlite_template, tmp_path / "plans.db")
    async with open_database(DatabaseSettings(url=f"sqlite:///{path}"), home=tmp_path) as database:
        yield database


async def plan(database: Database, filters: Filters, sort: str) -> list[str]:
    """The plan of the first statement of a page, which finds the places."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    async with database.read() as session:
        await leaderboard.list_models(session, filters, sort=sort)
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    statement, parameters = next(each for each in statements if each[0].startswith("SELECT"))
    async with database.connect() as connection:
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[-1] for row in rows]


@pytest.mark.parametrize("sort", ["created", "rmse"])
@pytest.mark.parametrize("field", [None, *WANTED])
async def test_a_page_reads_indexes_only_and_sorts_nothing(database: Database, field: str | None, sort: str) -> None:
    steps = await plan(database, Filters(**{field: WANTED[field]}) if field else Filters(), sort)
    assert not any("TEMP B-TREE" in step for step in steps), steps
    for step in steps:
        if " models" in step:
            assert "USING COVERING INDEX" in step, steps
        if " model_measures" in step:
            assert "ix_model_measures_measure_value_model_id (measure=?" in step, steps
        if " model_tags" in step:
            assert "ix_model_tags_tag_model_id (tag=?" in step, steps
