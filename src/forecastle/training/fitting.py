"""Fitting some samples: features learned from them, choices made on the last of them, then the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecastle.features.matrix import FeatureMatrix
from forecastle.features.plan import States
from forecastle.training.arrays import Floats, Integers
from forecastle.training.calibration import Calibrator
from forecastle.training.errors import TrainingFailed
from forecastle.training.inner import hold_out
from forecastle.training.learn import Learned, Method, best_rounds, calibrate, learn
from forecastle.training.preprocess import Categories, encode, learn_categories
from forecastle.training.recipe import Recipe
from forecastle.training.study import Study


@dataclass(frozen=True, slots=True)
class Inputs:
    """How features are computed and encoded, learned from nothing but some samples."""

    states: States
    features: FeatureMatrix
    """Of every row of the frame."""
    names: tuple[str, ...]
    categories: tuple[Categories | None, ...]
    recipe: Recipe

    def matrix(self, rows: Integers) -> Floats:
        """The input matrix [N, F] of some frame rows, not to be written to.

        Raises:
            TrainingFailed: a feature is missing although the recipe drops rows with missing features.
        """
        matrix = encode(self.features, rows, self.categories)
        if self.recipe.missing == "drop" and np.isnan(matrix).any():
            name = self.names[int(np.isnan(matrix).any(axis=0).argmax())]
            raise TrainingFailed(
                f"feature {name} has no value where its inputs have: the training rows of a window teach it nothing"
            )
        return matrix


@dataclass(frozen=True, slots=True)
class FittedRows:
    """A model that has seen nothing but some samples, and how their features were computed and encoded."""

    learned: Learned
    inputs: Inputs
    rounds: int | None = None
    """Boosting rounds, if their number was found by stopping early."""

    @property
    def states(self) -> States:
        """What fitted features learned."""
        return self.inputs.states

    @property
    def categories(self) -> tuple[Categories | None, ...]:
        """Categories of each feature, None for a number."""
        return self.inputs.categories

    def matrix(self, rows: Integers) -> Floats:
        """The input matrix [N, F] of some frame rows; see `Inputs.matrix`."""
        return self.inputs.matrix(rows)


def fit_rows(study: Study, method: Method, positions: Integers) -> FittedRows:
    """Fit everything that is fitted, features included, on these samples alone.

    Raises:
        TooFewRows: too few of them are left for a choice that needs some held out.
        TrainingFailed: there is nothing to learn from.
    """
    choices = _choose(study, method, positions)
    method = method.with_rounds(choices.rounds) if choices.rounds else method
    inputs = _learn_inputs(study, positions)
    matrix = inputs.matrix(study.samples.rows[positions])
    learned = learn(method, matrix, study.samples.target[positions], inputs.categories)
    return FittedRows(replace(learned, calibrator=choices.calibrator), inputs, choices.rounds)


def _learn_inputs(study: Study, positions: Integers) -> Inputs:
    rows = study.samples.rows[positions]
    states, features = study.features(rows)
    names = study.plan.names
    return Inputs(states, features, names, learn_categories(features, names, rows), study.recipe)


@dataclass(frozen=True, slots=True)
class _Choices:
    """What is settled on the inner validation stretch, before the fit on all rows."""

    rounds: int | None = None
    calibrator: Calibrator | None = None


def _choose(study: Study, method: Method, positions: Integers) -> _Choices:
    purposes = _purposes(method)
    if not purposes:
        return _Choices()
    samples = study.samples
    inner = hold_out(samples, positions, seed=study.recipe.seed, purpose=purposes[0])
    inputs = _learn_inputs(study, inner.train)
    matrix, held = (inputs.matrix(samples.rows[part]) for part in (inner.train, inner.test))
    target, held_target = samples.target[inner.train], samples.target[inner.test]
    rounds = None
    if method.stops_early:
        rounds = best_rounds(method, matrix, target, held, held_target, inputs.categories)
        method = method.with_rounds(rounds)
    if method.calibration is None:
        return _Choices(rounds)
    learned = learn(method, matrix, target, inputs.categories)
    return _Choices(rounds, calibrate(method.calibration, learned, held, samples.codes[inner.test]))


def _purposes(method: Method) -> Sequence[str]:
    asked = {"hyperparameters.early_stopping": method.stops_early, "calibration": method.calibration is not None}
    return [field for field, wanted in asked.items() if wanted]
