"""Bayesian proposals: inside the space, the same for the same trials, and better than chance."""

import math
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from forecastle.training.search import bayes, dimensions
from forecastle.training.search.space import Parameters, Space
from forecastle.training.states import TrialState
from forecastle.training.trials import Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = Space(
    dimensions.read(
        {
            "algorithm": ["ridge", "lightgbm"],
            "features": [["a"], ["a", "b"]],
            "hyperparameters": {
                "ridge": {"alpha": {"low": 0.001, "high": 100.0, "log": True}},
                "lightgbm": {
                    "num_leaves": {"low": 2, "high": 64},
                    "subsample": {"low": 0.1, "high": 0.95, "step": 0.1},
                },
            },
        },
        ranges=True,
    ),
    None,
)


def trial(number: int, parameters: Parameters, value: float | None, state: TrialState = "completed") -> Trial:
    return Trial(
        search_id="s", number=number, parameters=parameters, state=state, value=value, folds=(1.0,), created_at=NOW
    )


def searched(loss: Any, *, space: Space = SPACE, trials: int, parallel: int = 1, seed: int = 0) -> list[Trial]:
    known: list[Trial] = []
    for number in range(trials):
        told = max(0, number - parallel + 1)
        proposed = bayes.propose(space, known, told=told, metric="rmse", seed=seed)
        known.append(trial(number, proposed, loss(proposed)))
    return known


def loss(parameters: Parameters) -> float:
    """Least where the ridge has an alpha of 1 and both features."""
    if parameters["algorithm"] == "lightgbm":
        return 5.0
    return abs(math.log10(parameters["hyperparameters.ridge.alpha"])) + 2.0 - len(parameters["features"])


def test_every_proposal_lies_in_the_space() -> None:
    for each in searched(loss, trials=25):
        chosen = each.parameters
        assert chosen["features"] in (["a"], ["a", "b"])
        if chosen["algorithm"] == "ridge":
            assert chosen.keys() == {"algorithm", "features", "hyperparameters.ridge.alpha"}
            assert 0.001 <= chosen["hyperparameters.ridge.alpha"] <= 100
        else:
            assert isinstance(chosen["hyperparameters.lightgbm.num_leaves"], int)
            assert 2 <= chosen["hyperparameters.lightgbm.num_leaves"] <= 64
            assert chosen["hyperparameters.lightgbm.subsample"] in {round(n / 10, 1) for n in range(1, 10)}


def test_the_same_trials_and_seed_propose_the_same() -> None:
    first, second = searched(loss, trials=15, seed=3), searched(loss, trials=15, seed=3)
    assert first == second
    assert [each.parameters for each in first] != [each.parameters for each in searched(loss, trials=15, seed=4)]


def test_it_learns_from_what_it_is_told() -> None:
    """With 40 trials, it comes nearer to the optimum than as many draws do, for most seeds."""
    wins = 0
    for seed in range(5):
        random = Random(seed)
        drawn = min(loss(SPACE.draw(random)) for _ in range(40))
        wins += min(each.value or 0.0 for each in searched(loss, trials=40, seed=seed)) < drawn
    assert wins >= 3


def test_results_that_are_not_told_do_not_matter() -> None:
    known = searched(loss, trials=14)
    other = [*known[:12], *(trial(each.number, each.parameters, 99.0) for each in known[12:])]
    proposed = bayes.propose(SPACE, known, told=12, metric="rmse", seed=0)
    assert proposed == bayes.propose(SPACE, other, told=12, metric="rmse", seed=0)
    waiting = [*known[:12], *(trial(each.number, each.parameters, None, "running") for each in known[12:])]
    assert proposed == bayes.propose(SPACE, waiting, told=12, metric="rmse", seed=0)


def test_trials_under_way_are_kept_away_from() -> None:
    """The same proposal is not made again while it is being tried."""
    space = Space(dimensions.read({"seed": {"low": 0, "high": 10**6}}, ranges=True), "ridge")
    known = [trial(n, {"seed": n * 50_000}, abs(n * 50_000 - 480_000)) for n in range(20)]
    under_way: list[Trial] = []
    for number in range(20, 26):
        proposed = bayes.propose(space, [*known, *under_way], told=20, metric="rmse", seed=1)
        under_way.append(trial(number, proposed, None, "running"))
    assert len({each.parameters["seed"] for each in under_way}) == 6


def test_more_may_be_better() -> None:
    space = Space(dimensions.read({"seed": {"low": 0, "high": 1000}}, ranges=True), "ridge")
    known = [trial(n, {"seed": n * 50}, n * 50.0) for n in range(21)]
    least = [bayes.propose(space, known, told=21, metric="rmse", seed=seed)["seed"] for seed in range(10)]
    most = [bayes.propose(space, known, told=21, metric="r2", seed=seed)["seed"] for seed in range(10)]
    assert sum(least) < 4000
    assert sum(most) > 6000


@pytest.mark.parametrize("state", ["failed", "stopped", "cancelled", "duplicate"])
def test_however_a_trial_ended_the_search_goes_on(state: TrialState) -> None:
    known = searched(loss, trials=12)
    value = None if state in {"failed", "cancelled"} else 7.0
    ended = [*known[:-1], trial(11, known[-1].parameters, value, state)]
    assert bayes.propose(SPACE, ended, told=12, metric="rmse", seed=0)["algorithm"] in {"ridge", "lightgbm"}
