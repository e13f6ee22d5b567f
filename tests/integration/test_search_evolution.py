"""Evolution, children, models trained again and batches, on both databases."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from search_desk import FEATURES, RUNNER, Desk

from forecastle.data import catalogue
from forecastle.db import Database
from forecastle.errors import BadInput, NotFound
from forecastle.jobs import leases
from forecastle.registry import models
from forecastle.registry.describe import read_manifest
from forecastle.registry.errors import ModelNotFound
from forecastle.registry.models import Model
from forecastle.training import offspring, submit
from forecastle.training.batch import BatchSubmission, parse_batch, submit_batch
from forecastle.training.search.evolution import Rules
from forecastle.training.search.evolve import start_evolution
from forecastle.training.searches import Standing
from forecastle.training.submit import TrainingSubmission


class Breeder(Desk):
    """A desk with one more thing to do: evolve."""

    async def evolve(self, model_id: str, **rules: Any) -> Standing:
        now = self.clock.now()
        return await start_evolution(self.database, self.artifacts, model_id, Rules(**rules), owner=None, now=now)

    async def original(self, **changes: Any) -> str:
        made = await self.submit(features=list(FEATURES), **changes)
        await self.work_off()
        return made.model_id

    async def model(self, model_id: str | None) -> Model:
        async with self.database.read() as session:
            return await models.get(session, str(model_id))

    async def again(self, model_id: str, **changes: Any) -> TrainingSubmission:
        recipe = offspring.again(read_manifest(self.artifacts, await self.model(model_id)), **changes)
        async with self.database.write() as session:
            return await submit.submit_training(session, recipe, owner=None, now=self.clock.now())

    async def batch(self, **changes: Any) -> BatchSubmission:
        recipes = parse_batch(BARS | changes)
        async with self.database.write() as session:
            return await submit_batch(session, recipes, owner=None, now=self.clock.now())


BARS: dict[str, Any] = {
    "name": "bar",
    "dataset": "bars",
    "features": ["ret(close, 1)"],
    "algorithm": "ridge",
}


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Breeder:
    made = Breeder(database, tmp_path)
    await made.add()
    return made


async def test_each_generation_is_a_child_of_the_one_before_with_fewer_features(desk: Breeder) -> None:
    original = await desk.original()
    started = await desk.evolve(original, keep=2)
    assert (started.search.method, started.search.metric, started.search.planned) == ("evolve", "rmse", 5)
    assert started.states == {"duplicate": 1, "running": 1}, "the original is not fitted again"
    await desk.work_off()
    generations = await desk.trials(started.search.id)
    assert [trial.number for trial in generations] == list(range(len(generations)))
    assert 2 < len(generations) <= 5
    features = [trial.parameters["features"] for trial in generations]
    assert features[0] == list(FEATURES)
    for before, after in pairwise(features):
        assert set(after) < set(before)
        assert len(after) >= 2
    for parent, child in pairwise(generations):
        assert (await desk.model(child.model_id)).parent == parent.model_id
    assert (await desk.model(original)).parent is None
    assert (await desk.search(started.search.id)).status == "completed"


async def test_what_the_model_predicts_by_survives(desk: Breeder) -> None:
    started = await desk.evolve(await desk.original(), keep=1, drop=0.5)
    await desk.work_off()
    last = (await desk.trials(started.search.id))[-1]
    assert set(last.parameters["features"]) <= {"value", "lag(value, 1)"}


async def test_an_evolution_goes_on_after_a_restart(desk: Breeder) -> None:
    started = await desk.evolve(await desk.original(), keep=2)
    await desk.work_off(1)
    later = Breeder(desk.database, desk.home)
    await later.work_off()
    assert (await later.search(started.search.id)).status == "completed"


async def test_the_same_evolution_again_fits_nothing(desk: Breeder) -> None:
    original = await desk.original()
    await desk.evolve(original, keep=2)
    await desk.work_off()
    fitted = len(desk.ran)
    again = await desk.evolve(original, keep=2)
    assert again.search.status == "completed"
    assert set(again.states) == {"duplicate"}
    assert len(desk.ran) == fitted


async def test_the_best_is_promoted_when_it_has_earned_it(desk: Breeder) -> None:
    """Without the noise the wave is predicted better, on these rows."""
    original = await desk.original()
    started = await desk.evolve(original, keep=1, drop=0.5, stage="staging")
    await desk.work_off()
    search = await desk.search(started.search.id)
    assert search.outcome is not None
    assert search.outcome["best"] > 0
    assert search.outcome["improvement"] > 0
    assert search.outcome["stage"] == "staging"
    stages = {trial.number: (await desk.model(trial.model_id)).stage for trial in await desk.trials(search.id)}
    assert {number for number, stage in stages.items() if stage == "staging"} == {search.outcome["best"]}


async def test_nothing_is_promoted_that_is_not_better_by_enough(desk: Breeder) -> None:
    started = await desk.evolve(await desk.original(), keep=1, drop=0.5, stage="production", least_improvement=0.9)
    await desk.work_off()
    search = await desk.search(started.search.id)
    assert search.outcome is not None
    assert search.outcome["stage"] is None
    stages = [(await desk.model(trial.model_id)).stage for trial in await desk.trials(search.id)]
    assert set(stages) == {"dev"}


async def test_a_generation_that_fails_ends_the_evolution_with_the_best_before_it(desk: Breeder) -> None:
    started = await desk.evolve(await desk.original(), keep=1, drop=0.5, stage="staging")
    await desk.work_off(1)
    job = await desk.claim()
    assert job is not None
    async with desk.database.write() as session:
        await leases.fail(session, RUNNER, job, error="it used too much memory", now=desk.clock.now())
    await desk.steer()
    search = await desk.search(started.search.id)
    generations = await desk.trials(search.id)
    assert [trial.state for trial in generations] == ["duplicate", "completed", "failed"]
    assert generations[-1].reason == "it used too much memory"
    assert (search.status, (search.outcome or {})["best"]) == ("completed", 1)
    assert (await desk.model(generations[1].model_id)).stage == "staging"


async def test_an_evolution_whose_artifacts_are_gone_fails_alone(desk: Breeder) -> None:
    """Others that wait to be steered are steered all the same."""
    doomed = await desk.evolve(await desk.original(), keep=2)
    other = await desk.start({"space": {"seed": [1]}})
    while job := await desk.claim():
        await desk.run(job)
    child = (await desk.trials(doomed.search.id))[-1]
    desk.artifacts.remove((await desk.model(child.model_id)).manifest_sha256)
    await desk.steer()
    failed = await desk.search(doomed.search.id)
    assert failed.status == "failed"
    assert "is not in the store" in (failed.outcome or {})["error"]
    assert (await desk.search(other.search.id)).status == "completed"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"keep": 7}, "^keep: expected fewer features than the 7 of .*, found 7"),
        ({"metric": "accuracy"}, "^metric: expected one of rmse, .* for a regression, found accuracy"),
    ],
)
async def test_a_model_that_cannot_evolve_says_why(desk: Breeder, rules: dict[str, Any], message: str) -> None:
    original = await desk.original()
    with pytest.raises(BadInput, match=message):
        await desk.evolve(original, **rules)


async def test_a_model_that_is_not_there_cannot_evolve(desk: Breeder) -> None:
    with pytest.raises(ModelNotFound):
        await desk.evolve("0" * 26)


# --- trained again -----------------------------------------------------------------------------------------------


async def test_retraining_on_the_same_data_gives_the_model_that_there_is(desk: Breeder) -> None:
    original = await desk.original()
    again = await desk.again(original)
    assert (again.duplicate, again.model_id, again.status) == (True, original, "completed")
    assert (await desk.model(original)).parent is None, "a model is never its own parent"


async def test_retraining_on_newer_data_makes_a_child_and_leaves_the_parent_alone(desk: Breeder) -> None:
    original = await desk.original()
    before = await desk.model(original)
    async with desk.database.write() as session:
        await catalogue.remove(session, "waves", desk.store)
    await desk.add(seed=1)
    again = await desk.again(original)
    assert not again.duplicate
    await desk.work_off()
    child = await desk.model(again.model_id)
    assert (child.name, child.version, child.parent) == (before.name, before.version + 1, original)
    assert await desk.model(original) == before


async def test_retraining_on_another_dataset(desk: Breeder) -> None:
    original = await desk.original()
    await desk.add("newer", seed=2)
    again = await desk.again(original, dataset="newer")
    await desk.work_off()
    assert ((await desk.model(again.model_id)).dataset, again.duplicate) == ("newer", False)
    with pytest.raises(NotFound, match="nowhere"):
        await desk.again(original, dataset="nowhere")


# --- batches -----------------------------------------------------------------------------------------------------


async def _add_bars(desk: Breeder) -> None:
    hours = [f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00:00Z" for hour in range(24 * 20)]
    prices = [100 + hour % 17 + hour / 50 for hour in range(len(hours))]
    lines = (f"{time},{p},{p + 2},{p - 2},{p + 1}" for time, p in zip(hours, prices, strict=True))
    path = desk.home / "bars.csv"
    path.write_text("\n".join(["time,open,high,low,close", *lines]))
    await desk.import_file("bars", path)


async def test_a_batch_is_four_models_of_one_group_at_two_timeframes(desk: Breeder) -> None:
    await _add_bars(desk)
    made = await desk.batch(batch={"open_close": "4h", "high_low": "6h"})
    assert await desk.work_off() == 4
    found = [await desk.model(training.model_id) for training in made.trainings]
    assert {model.group for model in found} == {made.group}
    manifests = [read_manifest(desk.artifacts, model) for model in found]
    assert [(m.name, m.target.expression, m.target.transform, m.recipe["timeframe"]) for m in manifests] == [
        ("bar-open", "open", "log_return", "4h"),
        ("bar-close", "close", "log_return", "4h"),
        ("bar-high", "high", "log_return", "6h"),
        ("bar-low", "low", "log_return", "6h"),
    ]


async def test_a_batch_again_completes_the_group_that_it_has(desk: Breeder) -> None:
    await _add_bars(desk)
    first = await desk.batch()
    await desk.work_off(3)
    last = await desk.claim()
    assert last is not None
    await desk.cancel(last.id)
    again = await desk.batch()
    assert again.group == first.group
    assert sorted(training.duplicate for training in again.trainings) == [False, True, True, True]
    await desk.work_off()
    groups = {(await desk.model(training.model_id)).group for training in again.trainings}
    assert groups == {first.group}


async def test_another_batch_is_another_group(desk: Breeder) -> None:
    await _add_bars(desk)
    first = await desk.batch()
    assert (await desk.batch(seed=3)).group != first.group
