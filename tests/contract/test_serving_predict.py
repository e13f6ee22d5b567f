"""Asking models for predictions: the same on every database."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forecastle.clock import ManualClock
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.registry import manifest as manifests
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import BadFeatures, ModelNotFound, ModelUnusable
from forecastle.registry.manifest import FeatureColumn, Interval, Manifest, TargetFacts
from forecastle.registry.models import Model
from forecastle.registry.predictor import Predictor
from forecastle.serving.errors import BadBatch, HistoryUnavailable, NoModel
from forecastle.serving.history import reading
from forecastle.serving.opening import Serving, open_serving
from forecastle.serving.predict import Caller, _interval, predict, predict_many
from forecastle.serving.prediction import (
    Bounds,
    Fallback,
    ModelName,
    Prediction,
    PredictionInterval,
    StoredPrediction,
    TargetValue,
)
from forecastle.serving.residents import CHOICE_TTL_S
from forecastle.settings import ServingSettings
from forecastle.telemetry.metrics import Metrics

Publish = Callable[..., Awaitable[Model]]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
ANYBODY = Caller(request_id="request")


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore((tmp_path / "artifacts").as_uri())


@pytest.fixture
def publish(
    database: Database,
    artifacts: ArtifactStore,
    make_manifest: Callable[..., Manifest],
    make_graph: Callable[..., bytes],
) -> Publish:
    seconds = itertools.count()

    async def publish(*, bias: float = 0.0, stage: str | None = None, **fields: Any) -> Model:
        manifest = make_manifest(created_at=NEW_YEAR + timedelta(seconds=next(seconds)), **fields)
        blobs = artifacts.put(make_graph(manifest, bias=bias)), artifacts.put(manifests.encode(manifest))
        async with database.write() as session:
            model = await models.publish(session, manifest=manifest, graph_sha256=blobs[0], manifest_sha256=blobs[1])
            return await models.promote(session, model.id, stage) if stage else model

    return publish


@pytest.fixture
async def serving(
    database: Database, artifacts: ArtifactStore, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Serving]:
    settings = ServingSettings(cache_entries=100, max_batch_rows=50)
    tables = TableStore(tmp_path / "datasets")
    async with open_serving(database, tables, artifacts, settings=settings, clock=clock, metrics=Metrics()) as serving:
        yield serving


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each run of a model had."""
    counted: list[int] = []
    original = Predictor.predict

    def counting(self: Predictor, matrix: Any) -> Any:
        counted.append(len(matrix))
        return original(self, matrix)

    monkeypatch.setattr(Predictor, "predict", counting)
    return counted


async def ask(serving: Serving, row: Any, model: str | None = None) -> Prediction:
    return await predict(serving, row, model=model, caller=ANYBODY)


async def history(database: Database) -> tuple[StoredPrediction, ...]:
    async with database.read() as session:
        return (await reading.list_predictions(session, owner=None, limit=1000)).items


def name(model: Model) -> ModelName:
    return ModelName(model.id, model.name, model.version)


async def test_a_regression_answers_with_everything_there_is_to_say(
    serving: Serving, publish: Publish, clock: ManualClock
) -> None:
    model = await publish(bias=1.0)
    answer = await ask(serving, [1, 2.0])
    assert answer == Prediction(
        id=answer.id,
        prediction=6.0,
        confidence=None,
        probabilities=None,
        model=name(model),
        model_version=1,
        cached=False,
        latency_ms=0.0,
        created_at=clock.now(),
        target=TargetValue("c", 6.0),
    )


async def test_an_interval_is_given_in_the_models_units_and_in_the_targets(
    serving: Serving, publish: Publish, database: Database
) -> None:
    await publish(interval=Interval(0.8, -1.0, 2.0, 100), target=TargetFacts("price", "log", 1))
    answer = await ask(serving, [1.0, 2.0])
    assert answer.interval is not None
    assert answer.interval.target is not None
    assert (answer.interval.coverage, answer.interval.lower, answer.interval.upper) == (0.8, 4.0, 7.0)
    assert answer.interval.target.lower == pytest.approx(math.exp(4.0))
    assert answer.interval.target.upper == pytest.approx(math.exp(7.0))
    assert (await history(database))[0].interval == answer.interval


async def test_an_interval_of_returns_needs_the_present_value_for_the_targets_units(
    serving: Serving, publish: Publish
) -> None:
    await publish(interval=Interval(0.8, -1.0, 2.0, 100), target=TargetFacts("price", "log_return", 1))
    assert (await ask(serving, [1.0, 2.0])).interval == PredictionInterval(0.8, 4.0, 7.0, None)


def test_of_a_negative_value_more_is_less(make_manifest: Callable[..., Manifest]) -> None:
    manifest = make_manifest(interval=Interval(0.8, -0.5, 0.5, 100), target=TargetFacts("c", "pct_change", 1))
    assert _interval(manifest, 0.5, -4.0) == PredictionInterval(0.8, 0.0, 1.0, Bounds(-8.0, -4.0))


async def test_a_classification_is_as_confident_as_its_likeliest_class(serving: Serving, publish: Publish) -> None:
    await publish(task="classification", classes=("lose", "win"))
    answer = await ask(serving, {"a": 1.0, "b": 0.5})
    win = 1 / (1 + math.exp(-2))
    assert answer.prediction == "win"
    assert answer.confidence == pytest.approx(win)
    assert answer.probabilities == pytest.approx({"lose": 1 - win, "win": win})
    assert answer.target is None


async def test_what_is_answered_is_in_the_history(
    serving: Serving, publish: Publish, database: Database, clock: ManualClock
) -> None:
    model = await publish(task="classification", classes=("lose", "win"))
    answer = await ask(serving, {"b": 0.5, "a": 1})
    assert await history(database) == (
        StoredPrediction(
            id=answer.id,
            prediction="win",
            confidence=answer.confidence,
            probabilities=answer.probabilities,
            model=name(model),
            model_version=1,
            cached=False,
            latency_ms=answer.latency_ms,
            created_at=clock.now(),
            input={"features": {"a": 1, "b": 0.5}},
            request_id="request",
        ),
    )


async def test_the_same_question_runs_the_model_once(
    serving: Serving, publish: Publish, database: Database, runs: list[int]
) -> None:
    await publish()
    runs.clear()
    first, second = await ask(serving, [1.0, 2.0]), await ask(serving, {"a": 1, "b": 2})
    assert (first.cached, second.cached) == (False, True)
    assert first.prediction == second.prediction
    assert first.id != second.id
    assert runs == [1]
    assert {stored.cached for stored in await history(database)} == {False, True}


async def test_no_answer_is_taken_from_another_version(serving: Serving, publish: Publish, clock: ManualClock) -> None:
    first = await publish(task="classification", classes=("lose", "win"))
    assert (await ask(serving, [1.0, 1.0])).prediction == "win"
    second = await publish(task="classification", classes=("no", "yes"))  # the same graph, another meaning
    assert second.graph_sha256 == first.graph_sha256
    clock.advance(CHOICE_TTL_S)
    answer = await ask(serving, [1.0, 1.0])
    assert (answer.prediction, answer.cached, answer.model_version) == ("yes", False, 2)


async def test_the_cache_lets_go_of_the_least_used(serving: Serving, publish: Publish) -> None:
    await publish()
    await ask(serving, [0.0, 0.0])
    for i in range(1, 100):
        await ask(serving, [float(i), 0.0])
    assert (await ask(serving, [0.0, 0.0])).cached
    await ask(serving, [100.0, 0.0])
    assert (await ask(serving, [0.0, 0.0])).cached
    assert not (await ask(serving, [1.0, 0.0])).cached


async def test_a_batch_is_one_run_of_what_is_not_known(
    serving: Serving, publish: Publish, database: Database, runs: list[int]
) -> None:
    await publish()
    await ask(serving, [3.0, 0.0])
    runs.clear()
    rows = [[float(i), 0.0] for i in range(50)]
    answers = await predict_many(serving, rows, model=None, caller=ANYBODY)
    assert runs == [49]
    assert [answer.prediction for answer in answers] == [float(i) for i in range(50)]
    assert [i for i, answer in enumerate(answers) if answer.cached] == [3]
    assert {answer.id for answer in answers} <= {stored.id for stored in await history(database)}


@pytest.mark.parametrize("count", [0, 51])
async def test_a_batch_has_bounds(serving: Serving, publish: Publish, count: int) -> None:
    await publish()
    with pytest.raises(BadBatch, match=f"samples: expected 1 to 50 rows, found {count}"):
        await predict_many(serving, [[1.0, 2.0]] * count, model=None, caller=ANYBODY)


async def test_one_bad_row_leaves_nothing_of_its_batch(serving: Serving, publish: Publish, database: Database) -> None:
    await publish()
    with pytest.raises(BadFeatures, match=r"samples\[1\]: expected 2 values, found 1"):
        await predict_many(serving, [[1.0, 2.0], [1.0]], model=None, caller=ANYBODY)
    assert await history(database) == ()


async def test_a_very_long_integer_is_stored_as_the_float_it_is(
    serving: Serving, publish: Publish, database: Database, clock: ManualClock
) -> None:
    await publish()
    await ask(serving, [2**70, 1])
    clock.advance(1)
    await ask(serving, {"a": 2**70, "b": 1})
    named, listed = await history(database)
    assert listed.input == {"features": [2.0**70, 1]}
    assert named.input == {"features": {"a": 2.0**70, "b": 1}}


async def test_an_unseen_category_is_answered_with_a_warning(
    serving: Serving, publish: Publish, database: Database, clock: ManualClock
) -> None:
    colour = FeatureColumn("colour", "colour", "category", ("red", "green"))
    await publish(features=(FeatureColumn("a", "a"), colour))
    assert (await ask(serving, [1.0, "red"])).warnings == ()
    clock.advance(1)
    warned = await ask(serving, [1.0, "blue"])
    assert warned.warnings == ("colour: this category was not seen in training",)
    assert (await history(database))[0].warnings == warned.warnings


@pytest.mark.parametrize(
    ("transform", "value"),
    [
        ("none", TargetValue("price", 0.0)),
        ("log", TargetValue("price", 1.0)),
        ("log_return", None),
        ("pct_change", None),
    ],
)
async def test_a_vector_is_turned_into_target_units_where_nothing_else_is_needed(
    serving: Serving, publish: Publish, transform: str, value: TargetValue | None
) -> None:
    await publish(target=TargetFacts("price", transform, 1))
    assert (await ask(serving, [0.0, 0.0])).target == value


async def test_target_units_beyond_all_numbers_are_left_out(serving: Serving, publish: Publish) -> None:
    await publish(target=TargetFacts("price", "log", 1))
    assert (await ask(serving, [1e6, 0.0])).target is None


async def test_a_model_is_found_by_id_name_and_default(serving: Serving, publish: Publish) -> None:
    production, newest = await publish(bias=1.0, stage="production"), await publish(bias=2.0)
    wine = await publish(name="wine", bias=3.0)
    for wanted, model in ((None, production), ("prices", production), (newest.id, newest), ("wine", wine)):
        assert (await ask(serving, [0.0, 0.0], wanted)).model == name(model)


async def test_an_unknown_model_is_not_found_and_none_at_all_is_unavailable(serving: Serving, publish: Publish) -> None:
    with pytest.raises(NoModel, match="train one first"):
        await ask(serving, [1.0, 2.0])
    with pytest.raises(ModelNotFound):
        await ask(serving, [1.0, 2.0], "prices")
    await publish()
    await ask(serving, [1.0, 2.0])
    with pytest.raises(ModelNotFound, match="did you mean prices"):
        await ask(serving, [1.0, 2.0], "price")


async def test_a_promotion_is_noticed_after_a_while_or_at_once_if_told(
    serving: Serving, publish: Publish, database: Database, clock: ManualClock
) -> None:
    first, second, third = await publish(), await publish(), await publish()

    async def promote(model: Model) -> None:
        async with database.write() as session:
            await models.promote(session, model.id, "production")

    assert (await ask(serving, [1.0, 1.0])).model == name(third)
    await promote(first)
    assert (await ask(serving, [1.0, 1.0])).model == name(third)
    clock.advance(CHOICE_TTL_S)
    assert (await ask(serving, [1.0, 1.0])).model == name(first)
    await promote(second)
    serving.residents.forget_choices()
    assert (await ask(serving, [1.0, 1.0])).model == name(second)


async def test_a_model_is_loaded_once_however_many_ask(
    serving: Serving, publish: Publish, artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await publish()
    loads: list[str] = []
    get = artifacts.get

    def counting(sha256: str) -> bytes:
        loads.append(sha256)
        return get(sha256)

    monkeypatch.setattr(artifacts, "get", counting)
    wanted = [None, "prices", model.id] * 10
    await asyncio.gather(*(ask(serving, [float(i), 0.0], one) for i, one in enumerate(wanted)))
    assert sorted(loads) == sorted([model.graph_sha256, model.manifest_sha256])


async def test_an_earlier_version_stands_in_for_one_that_cannot_be_loaded(
    serving: Serving, publish: Publish, artifacts: ArtifactStore, database: Database
) -> None:
    sound, gone, newest = await publish(bias=1.0), await publish(bias=2.0), await publish(bias=3.0)
    for model in (gone, newest):
        artifacts.remove(model.graph_sha256)
    answer = await ask(serving, [0.0, 0.0])
    assert (answer.prediction, answer.model) == (1.0, name(sound))
    reason = f"artifact {newest.graph_sha256} is not in the store"
    assert answer.fallback == Fallback(name(newest), reason)
    assert (await history(database))[0].fallback == answer.fallback
    assert serving.trouble is not None
    assert f"prices version 3: {reason}" in serving.trouble


async def test_a_model_that_can_be_loaded_again_answers_again(
    serving: Serving,
    publish: Publish,
    artifacts: ArtifactStore,
    clock: ManualClock,
) -> None:
    await publish(bias=1.0)
    newest = await publish(bias=2.0)
    graph = artifacts.get(newest.graph_sha256)
    artifacts.remove(newest.graph_sha256)
    assert (await ask(serving, [0.0, 0.0])).prediction == 1.0
    artifacts.put(graph)
    clock.advance(CHOICE_TTL_S)
    assert (await ask(serving, [0.0, 0.0])).prediction == 2.0
    assert serving.trouble is None


async def test_with_nothing_to_fall_back_on_the_reason_is_said(
    serving: Serving, publish: Publish, artifacts: ArtifactStore
) -> None:
    model = await publish()
    artifacts.remove(model.manifest_sha256)
    with pytest.raises(ModelUnusable, match="prices version 1 cannot be loaded, nor can an earlier version"):
        await ask(serving, [0.0, 0.0], model.id)


async def test_a_manifest_that_is_none_makes_its_model_unusable(
    serving: Serving, database: Database, artifacts: ArtifactStore, make_manifest: Callable[..., Manifest]
) -> None:
    blob = artifacts.put(b"{}")
    async with database.write() as session:
        await models.publish(session, manifest=make_manifest(), graph_sha256=blob, manifest_sha256=blob)
    with pytest.raises(ModelUnusable, match="is not a manifest"):
        await ask(serving, [0.0, 0.0])


async def test_no_answer_without_its_record(
    database: Database, artifacts: ArtifactStore, tmp_path: Path, clock: ManualClock, publish: Publish
) -> None:
    await publish()
    async with open_serving(
        database, TableStore(tmp_path), artifacts, settings=ServingSettings(), clock=clock, metrics=Metrics()
    ) as serving:
        await ask(serving, [1.0, 2.0])
    with pytest.raises(HistoryUnavailable):
        await ask(serving, [1.0, 2.0])
    assert len(await history(database)) == 1


async def test_many_at_once_are_each_stored_once(serving: Serving, publish: Publish, database: Database) -> None:
    await publish()
    answers = await asyncio.gather(*(ask(serving, [float(i % 20), 0.0]) for i in range(200)))
    stored = await history(database)
    assert sorted(one.id for one in stored) == sorted(answer.id for answer in answers)
    assert sum(not one.cached for one in stored) == 20
    assert {one.created_at for one in stored} == {NEW_YEAR}
