"""Searches on both databases: every trial is written down, known ones are recognised, nothing is advanced twice."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from search_desk import DAYS, RECIPE, RUNNER, Desk

from forecastle.data import catalogue
from forecastle.db import Database
from forecastle.errors import BadInput, NotFound
from forecastle.jobs import leases, queue
from forecastle.jobs.job import Terms
from forecastle.jobs.journal import Measured
from forecastle.registry import models
from forecastle.training import searches, trials
from forecastle.training.errors import SearchEnded, SearchNotFound
from forecastle.training.search.start import start_search

GRID: dict[str, Any] = {
    "space": {
        "features": [["value"], ["value", "lag(value, 1)"]],
        "algorithm": ["ridge", "random_forest"],
        "hyperparameters": {"random_forest": {"n_estimators": [2, 3]}},
    }
}


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    await made.add()
    return made


async def test_every_trial_of_a_grid_is_a_sibling_of_one_cohort(desk: Desk) -> None:
    started = await desk.start(GRID)
    assert (started.search.status, started.search.planned, started.counts.trials) == ("running", 6, 6)
    assert await desk.work_off() == 6
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.states) == ("completed", {"completed": 6})
    assert (standing.counts.distinct, standing.counts.known) == (6, 0)
    found = await desk.trials(started.search.id)
    async with desk.database.read() as session:
        made = [await models.get(session, str(trial.model_id)) for trial in found]
    assert {model.cohort for model in made} == {started.search.id}
    assert sorted(model.version for model in made) == [1, 2, 3, 4, 5, 6]
    assert [trial.value for trial in found] == [model.metrics["rmse"] for model in made]
    assert all(len(trial.folds) == 4 for trial in found)
    best = min(found, key=lambda trial: trial.value or 0.0)
    assert standing.search.outcome == {"best": best.number, "model_id": best.model_id, "value": best.value}


async def test_what_is_known_is_counted_and_not_fitted_again(desk: Desk) -> None:
    first = await desk.start(GRID)
    await desk.work_off()
    again = await desk.start(GRID)
    assert (again.search.status, again.states, again.counts.known) == ("completed", {"duplicate": 6}, 6)
    assert await desk.work_off() == 0
    before, after = await desk.trials(first.search.id), await desk.trials(again.search.id)
    assert [(each.model_id, each.value) for each in before] == [(each.model_id, each.value) for each in after]
    wider = await desk.start({"space": GRID["space"] | {"seed": [0, 1]}})
    assert (wider.search.planned, wider.counts.known) == (12, 6)
    await desk.work_off()
    assert Counter(desk.ran).most_common(1)[0][1] == 1


async def test_how_often_one_tried_stays_known(desk: Desk) -> None:
    """Also of a model that later searches met again, and after it was removed."""
    first = await desk.start(GRID)
    await desk.work_off()
    await desk.start({"space": GRID["space"] | {"seed": [0, 1]}})
    await desk.work_off()
    model_id = str((await desk.trials(first.search.id))[0].model_id)
    await _assert_tried(desk, model_id, trials.Tried(searches=2, trials=18, distinct=12))
    await desk.remove_model(model_id)
    await _assert_tried(desk, model_id, trials.Tried(searches=2, trials=18, distinct=12))


async def _assert_tried(desk: Desk, model_id: str, expected: trials.Tried) -> None:
    async with desk.database.read() as session:
        assert await trials.behind(session, model_id) == expected
        assert len((await searches.list_searches(session, model=model_id)).items) == expected.searches


async def test_a_model_nobody_searched_for_has_no_trials_behind_it(desk: Desk) -> None:
    made = await desk.submit()
    async with desk.database.read() as session:
        assert await trials.behind(session, made.model_id) == trials.Tried(0, 0, 0)


async def test_trials_that_come_to_the_same_recipe_are_fitted_once(desk: Desk) -> None:
    """The order of features has no meaning, so these are one recipe, tried twice."""
    started = await desk.start({"space": {"features": [["value", "noise"], ["noise", "value"]]}})
    assert (started.counts.trials, started.counts.distinct, started.counts.known) == (2, 1, 1)
    assert await desk.work_off() == 1
    assert (await desk.standing(started.search.id)).states == {"completed": 1, "duplicate": 1}


async def test_a_trial_may_wait_for_the_training_of_somebody_else(desk: Desk) -> None:
    made = await desk.submit(seed=7)
    started = await desk.start({"space": {"seed": [7, 8]}})
    assert started.states == {"running": 2}
    assert await desk.work_off() == 2
    borrowed, own = await desk.trials(started.search.id)
    assert (borrowed.state, borrowed.borrowed, borrowed.model_id) == ("duplicate", True, made.model_id)
    assert (own.state, own.borrowed) == ("completed", False)
    async with desk.database.read() as session:
        assert (await models.get(session, made.model_id)).cohort is None


async def test_a_trial_that_fails_is_written_down_with_its_reason(desk: Desk) -> None:
    started = await desk.start({"space": {"features": [["value"], ["noise"]]}})
    job = await desk.claim()
    assert job is not None
    async with desk.database.write() as session:
        await leases.fail(session, RUNNER, job, error="out of memory", now=desk.clock.now())
    await desk.steer()
    await desk.work_off()
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.states) == ("completed", {"completed": 1, "failed": 1})
    (failed,) = [trial for trial in await desk.trials(started.search.id) if trial.state == "failed"]
    assert (failed.reason, failed.value) == ("out of memory", None)


async def test_a_search_of_which_nothing_came_has_failed(desk: Desk) -> None:
    started = await desk.start({"space": {"seed": [1]}})
    async with desk.database.write() as session:
        await queue.cancel(
            session, str((await trials.of_search(session, started.search.id))[0].job_id), now=desk.clock.now()
        )
    await desk.steer()
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.states, standing.best) == ("failed", {"cancelled": 1}, None)


async def test_random_trials_are_drawn_by_seed_and_differ(desk: Desk) -> None:
    search = {"method": "random", "trials": 6, "seed": 5, "space": {"seed": list(range(8))}}
    first, second = await desk.start(search), await desk.start(search)
    drawn = [trial.parameters["seed"] for trial in await desk.trials(first.search.id)]
    assert len(set(drawn)) == 6
    assert drawn == [trial.parameters["seed"] for trial in await desk.trials(second.search.id)]
    other = await desk.start(search | {"seed": 6})
    assert drawn != [trial.parameters["seed"] for trial in await desk.trials(other.search.id)]


BAYES: dict[str, Any] = {
    "method": "bayes",
    "trials": 14,
    "parallel": 3,
    "space": {"hyperparameters": {"alpha": {"low": 0.001, "high": 1000.0, "log": True}}},
}


async def test_a_bayesian_search_keeps_a_few_trials_under_way(desk: Desk) -> None:
    started = await desk.start(BAYES)
    assert started.states == {"running": 3}
    while await desk.work_off(1):
        running = (await desk.standing(started.search.id)).states.get("running", 0)
        assert running <= 3
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.counts.trials) == ("completed", 14)
    assert [trial.number for trial in await desk.trials(started.search.id)] == list(range(14))


async def test_a_bayesian_search_proposes_the_same_whatever_is_finished_first(desk: Desk) -> None:
    """One desk works in order, on the other the last of those that wait comes first."""
    started = await desk.start(BAYES)
    await desk.work_off()
    in_order = [trial.parameters for trial in await desk.trials(started.search.id)]
    for trial in await desk.trials(started.search.id):
        await desk.remove_model(str(trial.model_id))
    again = await desk.start(BAYES)
    while jobs := [job for job in [await desk.claim() for _ in range(3)] if job]:
        for job in reversed(jobs):
            await desk.run(job)
            await desk.steer()
    assert [trial.parameters for trial in await desk.trials(again.search.id)] == in_order


async def test_a_bayesian_search_counts_what_it_met_before(desk: Desk) -> None:
    """With four values, most of eight trials are known: counted, not fitted, and the search comes to its end."""
    search = BAYES | {"trials": 4, "space": {"seed": [1, 2, 3, 4]}}
    started = await desk.start(search)
    await desk.work_off()
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.counts.trials) == ("completed", 4)
    assert len(desk.ran) == standing.counts.distinct == 4 - standing.counts.known
    again = await desk.start(search)
    assert (again.search.status, again.states) == ("completed", {"duplicate": 4})


async def test_a_proposal_that_fits_no_table_any_more_is_a_failed_trial(desk: Desk) -> None:
    started = await desk.start(BAYES)
    async with desk.database.write() as session:
        await catalogue.remove(session, "waves", desk.store)
    for trial in await desk.trials(started.search.id):
        await desk.cancel(trial.job_id)
    await desk.steer()
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.states) == ("failed", {"failed": 11, "cancelled": 3})
    assert (await desk.trials(started.search.id))[-1].reason == "no dataset is named 'waves'"


async def test_a_proposal_that_its_rows_cannot_bear_is_a_failed_trial_and_the_search_goes_on(desk: Desk) -> None:
    """Each value would do beside the first of the others, but the largest do not fit into 240 days together."""
    space = {"split.train": {"low": 100, "high": 190, "step": 30}, "split.test": {"low": 30, "high": 120, "step": 30}}
    started = await desk.start(BAYES | {"trials": 16, "seed": 1, "space": space})
    await desk.work_off()
    standing = await desk.standing(started.search.id)
    assert standing.search.status == "completed"
    assert standing.counts.trials == 16
    assert standing.best is not None
    failed = 0
    for trial in await desk.trials(started.search.id):
        train, test = trial.parameters["split.train"], trial.parameters["split.test"]
        assert (trial.state == "failed") == (train + test > DAYS - 1), trial
        if trial.state == "failed":
            failed += 1
            assert trial.value is None
            assert f"{train:,} to train and {test:,} to test" in str(trial.reason)
    assert failed > 0


@pytest.mark.parametrize(
    ("field", "good", "bad", "changes", "reason"),
    [
        ("where", "value < 9", "value < -9", {}, "`where` is not true"),
        (
            "target.column",
            "value > 0",
            "value > 9",
            {"algorithm": "logistic", "target": {"task": "classification", "horizon": 1}},
            "class",
        ),
    ],
)
async def test_what_only_the_fit_can_tell_is_a_failed_trial_too(
    desk: Desk, field: str, good: str, bad: str, changes: dict[str, Any], reason: str
) -> None:
    """A condition that leaves no rows; a class that no row has."""
    search = BAYES | {"trials": 6, "seed": 2, "metric": "skill", "space": {field: [good, bad], "seed": [1, 2, 3]}}
    started = await desk.start(search, **changes)
    await desk.work_off()
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.counts.trials) == ("completed", 6)
    ended = await desk.trials(started.search.id)
    assert {trial.parameters[field] for trial in ended} == {good, bad}
    for trial in ended:
        assert (trial.state == "failed") == (trial.parameters[field] == bad), trial
        assert trial.state != "failed" or reason in str(trial.reason)


@pytest.mark.parametrize("method", ["grid", "bayes"])
async def test_two_runners_advance_a_search_once(desk: Desk, method: str) -> None:
    started = await desk.start(BAYES | {"trials": 8} if method == "bayes" else GRID)
    while job := await desk.claim():
        await desk.run(job)
        await asyncio.gather(*(desk.steer() for _ in range(4)))
    numbers = [trial.number for trial in await desk.trials(started.search.id)]
    assert numbers == list(range(started.search.planned))
    assert Counter(desk.ran).most_common(1)[0][1] == 1


async def test_a_search_goes_on_where_it_was_when_its_runner_was_gone(desk: Desk) -> None:
    """Jobs that ended while nobody steered are written down by whoever steers next."""
    started = await desk.start(BAYES | {"trials": 6})
    for _ in range(2):
        job = await desk.claim()
        assert job is not None
        await desk.run(job)
    later = Desk(desk.database, desk.home)
    await later.steer()
    assert (await later.standing(started.search.id)).states == {"completed": 2, "running": 3}
    await later.work_off()
    assert (await later.search(started.search.id)).status == "completed"


async def test_a_cancelled_search_leaves_no_job_behind_and_keeps_its_models(desk: Desk) -> None:
    wanted = await desk.submit(seed=9)
    started = await desk.start({"space": {"seed": [1, 2, 9]}})
    await desk.submit(seed=2)
    async with desk.database.write() as session:
        await searches.cancel(session, started.search.id, now=desk.clock.now())
    standing = await desk.standing(started.search.id)
    assert (standing.search.status, standing.states) == ("cancelled", {"cancelled": 3})
    statuses = [(await desk.job(trial.job_id)).status for trial in await desk.trials(started.search.id)]
    assert statuses == ["cancelled", "pending", "pending"], "somebody else waits for the last two"
    assert await desk.work_off() == 2
    assert (await desk.search(started.search.id)).status == "cancelled"
    assert (await desk.submit(seed=9)).model_id == wanted.model_id
    async with desk.database.write() as session:
        assert (await searches.cancel(session, started.search.id, now=desk.clock.now())).status == "cancelled"


async def test_a_search_that_has_ended_cannot_be_cancelled(desk: Desk) -> None:
    started = await desk.start({"space": {"seed": [1]}})
    await desk.work_off()
    with pytest.raises(SearchEnded, match="is completed already"):
        async with desk.database.write() as session:
            await searches.cancel(session, started.search.id, now=desk.clock.now())
    with pytest.raises(SearchNotFound):
        async with desk.database.write() as session:
            await searches.cancel(session, "0" * 26, now=desk.clock.now())


@pytest.mark.parametrize(
    ("search", "changes", "message"),
    [
        (
            {"space": {"seed": [1, "x"]}},
            {},
            r'space\.seed: expected a whole number, found "x" \(trial 1: seed = x\)',
        ),
        (
            {"space": {"split.train": [100, 0]}},
            {},
            r"space\.split\.train: expected at least 1, found 0 \(trial 1:",
        ),
        (
            {"space": {"algorithm": ["ridge", "rigde"]}},
            {},
            r"space\.algorithm: expected one of .*did you mean ridge\?\), found .rigde. \(trial 1: algorithm",
        ),
        (
            {"space": {"algorithm": ["ridge", "logistic"]}},
            {},
            r"space\.algorithm: expected one of .* for a reg",
        ),
        (
            {"space": {"features": [["value"], ["valeu"]]}},
            {},
            r"valeu: at character 1: expected a column.*trial 1",
        ),
        (
            {"space": {"target.transform": ["none", "up"]}, "metric": "rmse"},
            {"algorithm": "lightgbm"},
            "recipes of one task",
        ),
        ({"space": {"seed": [1]}, "metric": "accuracy"}, {}, r"search\.metric: expected one of rmse, .*found accuracy"),
        ({"space": {"seed": [1]}}, {"features": []}, "features: expected at least 1 entry"),
        (
            {"space": {"algorithm": ["ridge", "lightgbm"]}},
            {"hyperparameters": {"alpha": 1.0}},
            r"hyperparameters\.alpha: expected one of .* for lightgbm.*, found an unknown name \(trial 1: algorithm",
        ),
        (
            BAYES | {"space": {"split.test": {"low": 1, "high": 10**9}}},
            {},
            r"search\.space\.split\.test: expected at most 100000000, found 1000000000",
        ),
    ],
)
async def test_a_search_with_a_bad_recipe_starts_nothing_and_names_the_trial(
    desk: Desk, search: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        await desk.start(search, **changes)
    async with desk.database.read() as session:
        assert not (await queue.list_jobs(session)).items
        assert not (await searches.list_searches(session)).items


async def test_a_search_over_a_table_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await desk.start({"space": {"dataset": ["waves", "nowhere"]}})


async def test_the_terms_of_a_search_are_those_of_all_its_jobs(desk: Desk) -> None:
    terms = Terms(priority=-5, timeout_s=60.0)
    document = RECIPE | {"search": BAYES}
    started = await start_search(
        desk.database, desk.store, desk.artifacts, document, owner="user", now=desk.clock.now(), terms=terms
    )
    await desk.work_off(4)
    jobs = [await desk.job(trial.job_id) for trial in await desk.trials(started.search.id)]
    assert len(jobs) > 4
    assert {(job.priority, job.timeout_s, job.owner) for job in jobs} == {(-5, 60.0, "user")}


# --- stopped early -----------------------------------------------------------------------------------------------

PRUNED: dict[str, Any] = {"prune": {"siblings": 2}, "space": {"seed": [1, 2, 3, 4]}}


def measured(step: int, value: float, *, steps: int = 4) -> Measured:
    return Measured(step, steps, {"rmse": value})


async def _three_under_way(desk: Desk, search: dict[str, Any], **changes: Any) -> tuple[str, list[str]]:
    """A search with three jobs under way, of which the first two have come to fold 2."""
    started = await desk.start(search, **changes)
    jobs = [job for job in [await desk.claim() for _ in range(3)] if job]
    for job in jobs[:2]:
        await desk.hear(job, [measured(0, 1.0), measured(1, 1.0)])
    return started.search.id, [job.id for job in jobs]


async def test_a_hopeless_trial_is_stopped_with_its_reason_and_its_worker_is_free(desk: Desk) -> None:
    search_id, jobs = await _three_under_way(desk, PRUNED)
    await desk.hear(await desk.job(jobs[2]), [measured(0, 3.0)])
    stopped = await desk.job(jobs[2])
    assert (stopped.status, stopped.error) == ("cancelled", None)
    assert stopped.message == "stopped early: rmse 3 after fold 1, where 2 of 2 siblings were better"
    async with desk.database.read() as session:
        assert jobs[2] not in await leases.held(session, RUNNER)
    (trial,) = [each for each in await desk.trials(search_id) if each.job_id == jobs[2]]
    assert (trial.state, trial.value, trial.folds) == ("stopped", 3.0, (3.0,))
    assert trial.reason == "rmse 3 after fold 1, where 2 of 2 siblings were better"


async def test_a_trial_as_good_as_its_siblings_goes_on(desk: Desk) -> None:
    search_id, jobs = await _three_under_way(desk, PRUNED)
    await desk.hear(await desk.job(jobs[2]), [measured(0, 1.0)])
    assert (await desk.job(jobs[2])).status == "preprocessing"
    assert {each.state for each in await desk.trials(search_id)} == {"running"}


async def test_nothing_is_stopped_unless_it_was_asked_for(desk: Desk) -> None:
    _, jobs = await _three_under_way(desk, {"space": PRUNED["space"]})
    await desk.hear(await desk.job(jobs[2]), [measured(0, 99.0)])
    assert not (await desk.job(jobs[2])).ended


async def test_a_trial_that_is_through_all_its_folds_keeps_its_model(desk: Desk) -> None:
    _, jobs = await _three_under_way(desk, PRUNED)
    await desk.hear(await desk.job(jobs[2]), [measured(step, 99.0) for step in range(4)])
    assert not (await desk.job(jobs[2])).ended


async def test_a_training_that_somebody_else_waits_for_is_not_stopped(desk: Desk) -> None:
    search_id, jobs = await _three_under_way(desk, PRUNED)
    (seed,) = [each.parameters["seed"] for each in await desk.trials(search_id) if each.job_id == jobs[2]]
    assert (await desk.submit(seed=seed)).duplicate
    await desk.hear(await desk.job(jobs[2]), [measured(0, 99.0)])
    assert not (await desk.job(jobs[2])).ended


async def test_a_training_that_two_searches_wait_for_is_not_stopped(desk: Desk) -> None:
    search_id, jobs = await _three_under_way(desk, PRUNED)
    (seed,) = [each.parameters["seed"] for each in await desk.trials(search_id) if each.job_id == jobs[2]]
    other = await desk.start({"space": {"seed": [seed]}})
    await desk.hear(await desk.job(jobs[2]), [measured(0, 99.0)])
    assert not (await desk.job(jobs[2])).ended
    assert (await desk.trials(other.search.id))[0].folds == (99.0,)


async def test_trials_with_other_windows_are_no_measure(desk: Desk) -> None:
    """With the same fold numbers they were tested on other rows."""
    splits = [{"kind": "walk_forward", "train": train, "test": 30} for train in (100, 110, 120, 130)]
    _, jobs = await _three_under_way(desk, PRUNED | {"metric": "rmse", "space": {"split": splits}})
    await desk.hear(await desk.job(jobs[2]), [measured(0, 99.0)])
    assert not (await desk.job(jobs[2])).ended
