"""The next trial of a Bayesian search: a tree-structured Parzen estimator (Bergstra et al., 2011), by Optuna.

Nothing of Optuna is stored. Each time, its study is made anew from the trials written down, so that a restart changes
nothing, and the same trials under the same seed always propose the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastle.training.search.judging import more_is_better
from forecastle.training.search.space import Choice, Dimension, Parameters, Range, Space
from forecastle.training.trials import Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

STARTUP = 10
"""Trials that are drawn at random before anything is concluded from them."""


def propose(space: Space, trials: Sequence[Trial], *, told: int, metric: str, seed: int) -> Parameters:
    """What the next trial should choose. Blocks, with a quarter of a second at the first call for the import.

    Args:
        space: what there is to choose from.
        trials: all there are, by number.
        told: the results of so many of them, from the first on, are taken into account. The others count as under way,
            and as likely to be bad, so that trials made at the same time do not crowd together.
        metric: what the trials are judged by.
        seed: of the search.
    """
    import optuna  # noqa: PLC0415 - only Bayesian searches need it

    sampler = optuna.samplers.TPESampler(
        seed=int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0]),
        n_startup_trials=STARTUP,
        constant_liar=True,
    )
    with _quiet():
        study = optuna.create_study(sampler=sampler, direction="maximize" if more_is_better(metric) else "minimize")
        for trial in trials:
            study.add_trial(_frozen(space, trial, is_told=trial.number < told))
        asked = study.ask()
        parameters = {each.field: _suggest(asked, each) for each in space.common}
        return parameters | {each.field: _suggest(asked, each) for each in space.own(parameters)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a line for each study and trial on standard error."""
    import optuna  # noqa: PLC0415

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _frozen(space: Space, trial: Trial, *, is_told: bool) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial  # noqa: PLC0415

    dimensions = [*space.common, *space.own(trial.parameters)]
    known: dict[str, Any] = {
        "params": {each.field: _inner(each, trial.parameters[each.field]) for each in dimensions},
        "distributions": {each.field: _distribution(each) for each in dimensions},
    }
    if not is_told:
        return create_trial(state=TrialState.RUNNING, **known)
    if trial.value is None:
        return create_trial(state=TrialState.FAIL, **known)
    if trial.state == "stopped":
        steps = {len(trial.folds): trial.value}
        return create_trial(state=TrialState.PRUNED, intermediate_values=steps, **known)
    return create_trial(state=TrialState.COMPLETE, value=trial.value, **known)


def _distribution(dimension: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    if isinstance(dimension, Choice):
        return CategoricalDistribution(tuple(range(len(dimension.values))))
    if dimension.whole:
        step = int(dimension.step or 1)
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _suggest(trial: "optuna.Trial", dimension: Dimension) -> Any:
    distribution: Any = _distribution(dimension)
    if isinstance(dimension, Choice):
        return dimension.values[trial.suggest_categorical(dimension.field, distribution.choices)]
    low, high, log, step = distribution.low, distribution.high, distribution.log, distribution.step
    if dimension.whole:
        return trial.suggest_int(dimension.field, low, high, log=log, step=step)
    return dimension.read(trial.suggest_float(dimension.field, low, high, log=log, step=step))


def _inner(dimension: Dimension, value: Any) -> Any:
    """A value as Optuna knows it: of a choice its position."""
    if isinstance(dimension, Range):
        return min(max(value, _distribution(dimension).low), _distribution(dimension).high)  # type: ignore[attr-defined]
    return dimension.values.index(value)
