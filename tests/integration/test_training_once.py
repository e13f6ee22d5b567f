"""Nothing is trained twice, whoever submits it, however often and at the same time."""

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import submitter
from search_desk import NOW, RECIPE, Desk
from sqlalchemy import func, select

from forecastle.db import Database
from forecastle.jobs.tables import JobRow
from forecastle.registry.tables import ModelRow
from forecastle.settings import DatabaseSettings
from forecastle.training import submit
from forecastle.training.recipe import Recipe

PROCESSES = (13, 13, 12, 12)
"""How often each of four processes submits the recipe: 50 times together."""


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    await made.add()
    return made


@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
async def test_there_is_no_check_then_insert_race(desk: Desk, database_settings: DatabaseSettings) -> None:
    """50 submissions from 4 processes at once make one job, and one model."""
    made = _submit_from_processes(str(database_settings.url), desk.home)
    assert Counter(duplicate for duplicate, _, _ in made) == {True: 49, False: 1}
    assert len({(model_id, job_id) for _, model_id, job_id in made}) == 1
    assert await desk.work_off() == 1
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(JobRow)) == 1
        assert list(await session.scalars(select(ModelRow.id))) == [made[0][1]]


def _submit_from_processes(url: str, home: Path) -> list[tuple[bool, str, str]]:
    command = [sys.executable, submitter.__file__, url, str(home)]
    processes = [
        subprocess.Popen(
            [*command, str(times), json.dumps(RECIPE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for times in PROCESSES
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # all are connected: let them go
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [answer for process in processes for answer in json.loads(process.communicate()[0])]


async def test_a_thousand_known_recipes_are_recognised_in_one_go(desk: Desk) -> None:
    """None is fitted: all are duplicates of the few models that there are."""
    seeds = (1, 2, 3)
    for seed in seeds:
        await desk.submit(seed=seed)
    await desk.work_off()
    recipes = [Recipe.parse(RECIPE | {"seed": seeds[number % 3], "name": f"again-{number}"}) for number in range(1000)]
    async with desk.database.write() as session:
        tables = await submit.look_up(session, recipes)
        orders = [submit.place(recipe, tables, now=NOW) for recipe in recipes]
        made = await submit.submit_orders(session, orders, owner=None, now=NOW + timedelta(seconds=1))
    assert all(training.duplicate and training.status == "completed" and training.model for training in made)
    assert Counter(training.model_id for training in made).most_common(1)[0][1] == 334
    assert len(desk.ran) == 3
    assert await desk.claim() is None


async def test_many_at_once_are_answered_in_their_order(desk: Desk) -> None:
    known = await desk.submit(seed=2)
    recipes = [Recipe.parse(RECIPE | {"seed": seed}) for seed in (3, 2, 1, 2, 3)]
    async with desk.database.write() as session:
        tables = await submit.look_up(session, recipes)
        orders = [submit.place(recipe, tables, now=NOW) for recipe in recipes]
        made = await submit.submit_orders(session, orders, owner=None, now=NOW + timedelta(seconds=1))
    assert [training.duplicate for training in made].count(False) == 2
    assert made[1].model_id == made[3].model_id == known.model_id
    assert made[0].model_id == made[4].model_id != made[2].model_id
    assert [training.fingerprint for training in made] == [order.fingerprint for order in orders]
    ran = []
    while job := await desk.claim():
        ran.append(job.payload["document"].get("seed"))
    assert ran == [2, 3, 1], "in the order in which they were asked for"
