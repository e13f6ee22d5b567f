"""The leaderboard: filters, orders and pages, the same on every database."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import func, select

from forecastle.db import Database
from forecastle.db.paging import BadCursor, write_cursor
from forecastle.errors import BadInput
from forecastle.registry import leaderboard, measures, models, removal
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import BadSort, BadStage
from forecastle.registry.leaderboard import Filters
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.registry.tables import MeasureRow, TagRow

Publish = Callable[..., Awaitable[Model]]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def publish(database: Database, make_manifest: Callable[..., Manifest]) -> Publish:
    async def publish(name: str = "prices", *, stage: str | None = None, **fields: Any) -> Model:
        known = {each: fields.pop(each) for each in ("tags", "owner", "cohort", "group") if each in fields}
        manifest = make_manifest(name=name, **fields)
        async with database.write() as session:
            model = await models.publish(
                session, manifest=manifest, graph_sha256=token_hex(32), manifest_sha256=token_hex(32), **known
            )
            return await models.promote(session, model.id, stage) if stage else model

    return publish


async def listed(database: Database, filters: Filters = Filters(), **options: Any) -> list[Model]:
    """Every page of a listing, put together."""
    found: list[Model] = []
    cursor = None
    while True:
        async with database.read() as session:
            page = await leaderboard.list_models(session, filters, cursor=cursor, **options)
        found, cursor = [*found, *page.items], page.next
        if cursor is None:
            return found
        assert len(page.items) == options.get("limit", 50)


async def test_listing_pages_newest_first(database: Database, publish: Publish) -> None:
    ages = [3, 0, 2, 2, 1]  # two of the same instant
    published = [await publish(created_at=NOON - timedelta(minutes=age)) for age in ages]
    newest_first = sorted(published, key=lambda model: (model.created_at, model.id), reverse=True)
    assert await listed(database, limit=2) == newest_first
    assert await listed(database, limit=5) == newest_first
    assert await listed(database, limit=2, order="asc") == newest_first[::-1]


@pytest.mark.parametrize(("measure", "best_first"), [("rmse", [0.5, 1.0, 1.0, 3.0]), ("r2", [3.0, 1.0, 1.0, 0.5])])
async def test_a_measure_puts_the_best_first_by_its_nature(
    database: Database, publish: Publish, measure: str, best_first: list[float]
) -> None:
    for value in (1.0, 3.0, 0.5, 1.0):
        await publish(metrics={measure: value})
    await publish(metrics={"mae": 0.0})
    for limit in (1, 3, 50):
        assert [model.metrics[measure] for model in await listed(database, sort=measure, limit=limit)] == best_first
    turned = await listed(database, sort=measure, order="asc" if measure == "r2" else "desc", limit=3)
    assert [model.metrics[measure] for model in turned] == best_first[::-1]


async def test_skill_compares_models_of_different_tasks_and_units(database: Database, publish: Publish) -> None:
    half = await publish(metrics={"rmse": 50.0}, baselines={"mean": {"rmse": 100.0}, "persistence": {"rmse": 200.0}})
    worse = await publish(metrics={"rmse": 3.0}, baselines={"mean": {"rmse": 2.0}})
    third = await publish(
        task="classification",
        classes=("lose", "win"),
        metrics={"log_loss": 0.6, "accuracy": 0.7},
        baselines={"prior": {"log_loss": 0.9}, "persistence": {"accuracy": 0.6}},
    )
    unmeasured = await publish(metrics={"rmse": 1.0}, baselines={"mean": {"rmse": 0.0}})
    assert [model.id for model in await listed(database, sort="skill")] == [half.id, third.id, worse.id]
    assert (half.skill, worse.skill, unmeasured.skill) == (0.5, -0.5, None)


async def test_each_filter_alone_and_all_together(database: Database, publish: Publish) -> None:
    facts: dict[str, Any] = {
        "algorithm": "xgboost",
        "dataset": "grapes",
        "parent": "a" * 26,
        "cohort": "search-1",
        "group": "batch-1",
        "owner": "b" * 26,
    }
    special = await publish("wine", stage="production", tags=["dry"], created_at=NOON, metrics={"rmse": 2.0}, **facts)
    early = await publish(created_at=NOON - timedelta(days=1))
    late = await publish(created_at=NOON + timedelta(days=1), task="classification", classes=("a", "b"), tags=["dryer"])
    wanted = {"name": "wine", "stage": "production", "tag": "dry", **facts}
    for field, value in wanted.items():
        assert await listed(database, Filters(**{field: value})) == [special], field
        assert await listed(database, Filters(**{field: value}), sort="rmse") == [special], field
    assert await listed(database, Filters(**wanted, task="regression", since=NOON, text="GRAPE")) == [special]
    assert await listed(database, Filters(task="classification")) == [late]
    assert await listed(database, Filters(since=NOON)) == [late, special]
    assert await listed(database, Filters(until=NOON)) == [early]
    assert await listed(database, Filters(name="nothing")) == []
    assert await listed(database, Filters(name="nothing"), sort="rmse") == []


@pytest.mark.parametrize("text", ["", "\0", "\n"])
async def test_a_text_that_says_nothing_is_no_filter_that_all_models_pass(
    database: Database, tmp_path: Path, publish: Publish, text: str
) -> None:
    model = await publish()
    with pytest.raises(BadInput, match="text: expected some letters to look for"):
        await listed(database, Filters(text=text))
    with pytest.raises(BadInput, match="text: expected some letters to look for"):
        await removal.remove_all(database, ArtifactStore(tmp_path.as_uri()), Filters(text=text), confirmation="yes")
    assert await listed(database) == [model]


@pytest.mark.parametrize(("text", "found"), [("RID", 2), ("wine", 1), ("pric", 1), ("%", 0), ("_", 0), ("r\\", 0)])
async def test_text_is_part_of_name_dataset_or_algorithm(
    database: Database, publish: Publish, text: str, found: int
) -> None:
    await publish("wine")
    await publish("beer", algorithm="ridge", dataset="barley")
    assert len(await listed(database, Filters(text=text))) == found


async def test_every_order_of_every_filter_equals_sorting_in_python(database: Database, publish: Publish) -> None:
    published = [
        await publish(
            f"name-{number % 3}",
            stage=("dev", "production")[number % 2],
            algorithm=("ridge", "lightgbm")[number % 5 == 0],
            tags=[f"tag-{number % 4}"],
            created_at=NOON + timedelta(hours=number // 2),
            metrics={"rmse": float(number * 7 % 5), "r2": number / 10} | ({"mae": 1.0} if number % 6 else {}),
        )
        for number in range(24)
    ]
    choices: tuple[tuple[Filters, Callable[[Model], bool]], ...] = (
        (Filters(), bool),
        (Filters(name="name-1", stage="production"), lambda m: (m.name, m.stage) == ("name-1", "production")),
        (Filters(tag="tag-2", algorithm="ridge"), lambda m: m.tags == ("tag-2",) and m.algorithm == "ridge"),
        (
            Filters(since=NOON + timedelta(hours=4), text="ME-2"),
            lambda m: m.name == "name-2" and m.created_at.hour > 15,
        ),
    )
    for (filters, passes), sort, order in product(choices, ("created", "rmse", "r2", "mae", "skill"), ("asc", "desc")):
        ranks = {
            model.id: model.created_at if sort == "created" else {**model.metrics, "skill": model.skill}
            for model in published
            if passes(model)
        }
        values: dict[str, Any] = {
            each: rank if isinstance(rank, datetime) else rank[sort]
            for each, rank in ranks.items()
            if isinstance(rank, datetime) or rank.get(sort) is not None
        }
        expected = sorted(values, key=lambda each: (values[each], each), reverse=order == "desc")
        found = await listed(database, filters, sort=sort, order=order, limit=5)
        assert [model.id for model in found] == expected, (filters, sort, order)


async def test_pages_stay_whole_while_models_come_and_go(database: Database, publish: Publish) -> None:
    first, second, third = [await publish(metrics={"rmse": value}) for value in (1.0, 2.0, 3.0)]
    async with database.read() as session:
        page = await leaderboard.list_models(session, sort="rmse", limit=1)
    assert page.items == (first,)
    await publish(metrics={"rmse": 0.5})
    async with database.write() as session:
        await removal.forget(session, (second.id,))
    async with database.read() as session:
        rest = await leaderboard.list_models(session, sort="rmse", limit=5, cursor=page.next)
    assert (rest.items, rest.next) == ((third,), None)


async def test_an_unknown_measure_names_the_known_ones(database: Database, publish: Publish) -> None:
    assert await listed(database, sort="rsme") == []  # nothing is known yet
    await publish(metrics={"rmse": 1.0, "mae": 1.0})
    with pytest.raises(BadSort, match=r"sort: expected created or a measure: mae, rmse, skill .did you mean rmse"):
        await listed(database, sort="rsme")


@pytest.mark.parametrize(
    ("filters", "options", "problem", "message"),
    [
        (Filters(stage="prod"), {}, BadStage, "dev, staging, production, archived"),
        (Filters(task="ranking"), {}, BadInput, "task: expected regression or classification"),
        (Filters(), {"limit": 0}, BadInput, "limit: expected 1 to 1000"),
        (Filters(), {"limit": 1001}, BadInput, "limit: expected 1 to 1000"),
    ],
)
async def test_a_bad_question_names_the_field(
    database: Database, filters: Filters, options: dict[str, Any], problem: type[BadInput], message: str
) -> None:
    with pytest.raises(problem, match=message):
        await listed(database, filters, **options)


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "2026-01-01_a", "_", "not a time_abc", "W10", "bnVsbA", "W" * 5000),
        write_cursor("jobs", NOON.isoformat(), "a"),
        write_cursor("models desc created", "yesterday", "a"),
        write_cursor("models desc created", NOON.isoformat(), "not an id"),
        write_cursor("models desc created", 1.0, "a"),
        write_cursor("models desc rmse", 1.0, "a"),
        write_cursor("models asc created", NOON.isoformat(), "a"),
    ],
)
async def test_a_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    async with database.read() as session:
        with pytest.raises(BadCursor, match="expected the `next` of an earlier page"):
            await leaderboard.list_models(session, cursor=cursor)


async def test_promotion_moves_a_model_between_stages_of_the_listing(database: Database, publish: Publish) -> None:
    model = await publish()
    async with database.write() as session:
        promoted = await models.promote(session, model.id, "staging")
    assert await listed(database, Filters(stage="staging"), sort="rmse") == [promoted]
    assert await listed(database, Filters(stage="dev")) == []


async def test_what_a_model_is_ranked_and_found_by_goes_with_it(database: Database, publish: Publish) -> None:
    model = await publish(tags=["dry", "old", "dry"])
    assert model.tags == ("dry", "old")
    async with database.write() as session:
        await removal.forget(session, (model.id,))
    async with database.read() as session:
        for table in (MeasureRow, TagRow):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize("measure", ["accuracy", "f1", "precision", "r2", "recall", "roc_auc", "skill"])
def test_of_these_measures_more_is_better(measure: str) -> None:
    assert measures.direction(measure) == "desc"


@pytest.mark.parametrize("measure", ["rmse", "mae", "mse", "log_loss", "rmse_target_units", "one of our own"])
def test_of_errors_and_losses_less_is_better(measure: str) -> None:
    assert measures.direction(measure) == "asc"
