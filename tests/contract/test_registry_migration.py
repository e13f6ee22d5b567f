"""Models published before the leaderboard was there are on it after the migration."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from forecastle.db import Database, migrate, open_database
from forecastle.registry import leaderboard
from forecastle.registry.leaderboard import Filters
from forecastle.settings import DatabaseSettings

MODEL = """
    INSERT INTO models (id, name, version, stage, task, algorithm, fingerprint, graph_sha256, manifest_sha256,
                        metrics, baselines, dataset, tags, created_at)
    VALUES (:id, 'prices', :version, 'dev', 'regression', 'ridge', :id, 'g', 'm', :metrics, :baselines, 'prices',
            :tags, '2026-01-01 00:00:00')
"""


@pytest.fixture
async def old(empty_database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Database]:
    """A database of the first version, with a few models."""
    async with open_database(empty_database_settings, home=tmp_path) as database:
        await migrate.upgrade(database, "0001")
        cast = "{}::jsonb" if database.dialect == "postgresql" else "{}"
        insert = MODEL
        for field in ("metrics", "baselines", "tags"):
            insert = insert.replace(f":{field}", cast.format(f"CAST(:{field} AS text)"))
        rows = [
            ("a", '{"rmse": 2.0, "r2": 0.5}', '{"mean": {"rmse": 4.0}}', '["dry", "old", "dry"]'),
            ("b", '{"rmse": 1.0}', "{}", "[]"),
            ("c", "{}", '{"mean": {"rmse": 0.0}}', "[]"),
        ]
        async with database.connect(writes=True) as connection:
            for version, (model_id, metrics, baselines, tags) in enumerate(rows, start=1):
                values = {"id": model_id, "version": version, "metrics": metrics, "baselines": baselines, "tags": tags}
                await connection.execute(text(insert), values)
        yield database


async def test_earlier_models_are_ranked_and_found_after_the_upgrade(old: Database) -> None:
    await migrate.upgrade(old)
    async with old.read() as session:
        for sort, expected in (("created", ["c", "b", "a"]), ("rmse", ["b", "a"]), ("r2", ["a"]), ("skill", ["a"])):
            page = await leaderboard.list_models(session, sort=sort)
            assert [model.id for model in page.items] == expected, sort
        tagged = await leaderboard.list_models(session, Filters(tag="dry"))
        assert [model.id for model in tagged.items] == ["a"]
        assert tagged.items[0].skill == 0.5


async def test_the_way_back_keeps_the_models(old: Database) -> None:
    await migrate.upgrade(old)
    await migrate.downgrade(old, "0001")
    await migrate.upgrade(old)
    async with old.read() as session:
        assert [model.id for model in (await leaderboard.list_models(session, sort="rmse")).items] == ["b", "a"]
