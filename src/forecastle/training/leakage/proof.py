"""The proof: cut a training at many moments, tell another story from there on, and see what changes before."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from forecastle.errors import ForecastleError
from forecastle.training.arrays import Booleans
from forecastle.training.errors import TrainingFailed
from forecastle.training.leakage import compare, repeat, worlds
from forecastle.training.leakage.compare import Pair
from forecastle.training.leakage.cuts import Cut, Later, choose, reopens, times_of
from forecastle.training.leakage.findings import Finding, Proof
from forecastle.training.leakage.repeat import Training
from forecastle.training.leakage.worlds import World
from forecastle.training.recipe import Recipe
from forecastle.training.steps import TRAINING, Steps
from forecastle.training.study import Study, Tables
from forecastle.types import Progress, no_progress

LEAST_CUTS = 8
WORLDS = (worlds.CHANGED, worlds.RAGGED)


def prove(
    recipe: Recipe,
    tables: Tables,
    *,
    steps: Steps = TRAINING,
    cuts: int = LEAST_CUTS,
    progress: Progress = no_progress,
    study: Study | None = None,
) -> Proof:
    """Whether anything in a training looks ahead.

    Args:
        recipe: with its open choices settled.
        tables: what it is trained on.
        steps: of the training.
        cuts: at least so many, if the table has as many times; every window's boundary is one.
        progress: told of each cut.
        study: of these tables, if there is one; what it was made from is then proven too.

    Raises:
        BadInput: the recipe cannot be trained on these tables.
        TrainingFailed: so; or no other world can be told from some cut.
    """
    started = time.perf_counter()
    study = study or steps.study(recipe, tables)
    trial = _Trial(
        recipe, tables, Training(steps, study, steps.windows(study)), np.zeros(study.frame.height, dtype=bool)
    )
    chosen = choose(study, trial.training.windows, tables, least=cuts)
    found: dict[tuple[str, str], Finding] = {}
    for number, cut in enumerate(chosen):
        progress(number / len(chosen), f"cut {number + 1} of {len(chosen)}: {cut.label}")
        for finding in trial.at(cut, seed=number):
            found.setdefault((finding.step, finding.name), finding)
    return Proof(
        cuts=len(chosen),
        rows=int(trial.compared.sum()),
        features=len(study.plan.columns),
        values=trial.values,
        seconds=time.perf_counter() - started,
        findings=tuple(found.values()),
    )


@dataclass(slots=True)
class _Trial:
    """A proof under way, and how much it has compared."""

    recipe: Recipe
    tables: Tables
    training: Training
    compared: Booleans
    """Rows of the prepared table that have been known at some cut."""
    values: int = 0

    def at(self, cut: Cut, *, seed: int) -> Iterator[Finding]:
        """What changes before a cut, in each of the worlds."""
        told = WORLDS[:1] if reopens(cut) else WORLDS
        refused: list[ForecastleError] = []
        for world in told:
            try:
                pair = self._pair(cut, world, seed)
            except ForecastleError as error:
                refused.append(error)
                continue
            yield from self._compare(pair)
        if len(refused) == len(told):
            raise TrainingFailed(f"nothing can be proved of {cut.label}: {refused[-1]}") from refused[-1]
        yield from self._with_other_answers(cut, seed)

    def _pair(self, cut: Cut, world: World, seed: int) -> Pair:
        study = self.training.study
        tables = worlds.retell(study, self.tables, cut, world, seed=seed)
        return Pair(study, self.training.steps.study(self.recipe, tables, limit=1.0), cut)

    def _compare(self, pair: Pair) -> Iterator[Finding]:
        study, window = pair.real, pair.cut.window
        if window is not None and reopens(pair.cut):
            rows = study.samples.rows[self.training.windows[window].train]
            yield from compare.training_labels(pair, rows, window)
            return
        yield from compare.tables(pair)
        if len(pair.known) != pair.cut.known(times_of(pair.other)).sum():
            return  # rows have come or gone, which is a finding already: nothing after it can be laid side by side
        self._count(pair)
        yield from compare.features(pair)
        yield from compare.samples(pair)
        yield from repeat.windows(self.training, pair)
        if window is not None:
            yield from repeat.repeat(self.training, pair, window)

    def _with_other_answers(self, cut: Cut, seed: int) -> Iterator[Finding]:
        """That no feature reads what is known only after its row."""
        study = self.training.study
        tables = None if reopens(cut) else worlds.with_other_answers(study, self.tables, cut, seed=seed)
        if tables is None:
            return
        _, matrix = self.training.steps.featured(self.recipe, tables)
        rows = np.flatnonzero(cut.known(times_of(study))) if isinstance(cut, Later) else np.arange(study.frame.height)
        pair = Pair(study, study, replace(cut, label="what is known only after its row"))
        one, other = (each.frame(study.plan.names, rows) for each in (study.matrix, matrix))
        yield from pair.differences("features", one, other, rows)

    def _count(self, pair: Pair) -> None:
        study, rows = pair.real, pair.known
        self.compared[rows] = True
        self.values += len(rows) * (study.frame.width + study.matrix.width)
