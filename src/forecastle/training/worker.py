"""A training, from a job's payload to two stored blobs. Runs in a worker process and never touches the database."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import cast

import msgspec
import numpy as np
import polars as pl

from forecastle.data.storage import TableStore
from forecastle.features import FEATURE_VERSION
from forecastle.features.kept import Kept
from forecastle.jobs.context import JobContext
from forecastle.registry import manifest as manifests
from forecastle.registry import measures
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.manifest import FeatureColumn, Fold, Interval, Leakage, Manifest, Parity, Regime, TargetFacts
from forecastle.training import export, importances, intervals, metrics, prepared
from forecastle.training.arrays import Integers
from forecastle.training.errors import LeakageFound
from forecastle.training.evaluate import Evaluation, bound, evaluate, permutation, residuals
from forecastle.training.fitting import FittedRows
from forecastle.training.inspection import inspect
from forecastle.training.leakage.proof import prove
from forecastle.training.learn import Method
from forecastle.training.order import Order, TableFacts, TrainingResult
from forecastle.training.splits import Window
from forecastle.training.steps import TRAINING, method
from forecastle.training.study import Study, Tables
from forecastle.types import JsonObject

SOFTWARE = ("forecastle", "numpy", "polars", "scikit-learn", "lightgbm", "onnx", "onnxruntime")
XGBOOST = ("xgboost-cpu", "xgboost")
"""Two distributions of one library, of which a machine has one."""
PROVED_TRAINING_ROWS = 1_000
PREPARED = 0.1
"""Share of the progress bar that the preparation takes, and the end of the work after the last fit."""


@dataclass(frozen=True, slots=True)
class _Final:
    """The model that is published, fitted on the samples at `positions`."""

    fitted: FittedRows
    positions: Integers
    regime: Regime | None
    fit_seconds: float


def run(payload: JsonObject, context: JobContext) -> JsonObject:
    """Train, prove and store the model that a payload orders; returns what `finish` needs to publish it.

    Raises:
        ForecastleError: the recipe does not fit its data, or the training came to nothing usable.
    """
    order = Order.read(payload)
    context.report(0.0, "reading the table")
    store = TableStore(context.home / "datasets")
    load = partial(read_tables, order, store)
    study = prepared.study(order, Kept(store.derived, context.cache_bytes), load, context.log)
    cut, how = TRAINING.divide(study), method(study)
    context.log(
        f"{study.frame.height:,} rows, {len(study.samples.rows):,} usable, {len(study.plan.columns)} features, "
        f"{len(cut)} windows"
    )
    evaluations = _evaluate_all(study, how, cut, context)
    context.report(1 - PREPARED, "fitting on all rows")
    manifest, graph = _finish(order, study, how, evaluations)
    if order.recipe.prove_leakage:
        manifest = msgspec.structs.replace(manifest, leakage=_prove_leakage(study, load(), context))
    if importances.all_alike(manifest.importances):
        context.log("no feature matters to this model: it predicts the same for every row")
    context.report(1.0, "storing the model")
    blobs = ArtifactStore(context.artifacts_url)
    result = TrainingResult(blobs.put(graph), blobs.put(manifests.encode(manifest)), manifest, study.recipe.tags)
    return cast("JsonObject", msgspec.to_builtins(result))


def _prove_leakage(study: Study, tables: Tables, context: JobContext) -> Leakage:
    def progress(share: float, message: str) -> None:
        context.report(1 - PREPARED * (1 - share), message)

    proof = prove(study.recipe, tables, progress=progress, study=study)
    if proof.findings:
        raise LeakageFound(str(proof.findings[0]))
    context.log(f"proven that nothing looks ahead: {proof.cuts:,} cuts, {proof.rows:,} rows compared")
    return proof.badge


def read_tables(order: Order, store: TableStore) -> Tables:
    """The tables that an order names.

    Raises:
        TableMissing: one is not in the store.
        TableDamaged: one is not what was imported.
    """

    def read(name: str, facts: TableFacts) -> pl.DataFrame:
        return store.read(name, facts.sha256, time=facts.time, keys=facts.keys)

    context = {name: read(name, facts) for name, facts in order.context.items()}
    return Tables(read(order.recipe.dataset, order.table), order.table, context)


def _evaluate_all(
    study: Study, method: Method, windows: Sequence[Window], context: JobContext
) -> tuple[Evaluation, ...]:
    evaluations = []
    for number, window in enumerate(windows):
        share = PREPARED + (1 - 2 * PREPARED) * number / len(windows)
        context.report(share, f"window {number + 1} of {len(windows)}", "training")
        evaluations.append(evaluate(study, method, window))
        context.measure(number, len(windows), _measured(evaluations[-1].fold, classes=bool(method.classes)))
        context.log(f"window {number + 1} of {len(windows)}: {_told(evaluations[-1].fold)}")
    return tuple(evaluations)


def _measured(fold: Fold, *, classes: bool) -> dict[str, float]:
    skill = measures.skill("classification" if classes else "regression", fold.metrics, fold.baselines)
    return fold.metrics | ({} if skill is None else {measures.SKILL: skill})


def _told(fold: Fold) -> str:
    measured = ", ".join(f"{name} {value:.5g}" for name, value in fold.metrics.items())
    return measured if fold.rounds is None else f"{measured}; best after {fold.rounds:,} rounds"


def _finish(order: Order, study: Study, method: Method, evaluations: Sequence[Evaluation]) -> tuple[Manifest, bytes]:
    """Fit on every usable row that meets the recipe's condition, export, prove, describe."""
    interval = _interval(study, evaluations)
    final = _fit_all(study, method)
    graph = export.build(final.fitted.learned, features=len(study.plan.columns))
    parity = _prove(study, final.fitted, graph, [evaluation.window for evaluation in evaluations])
    manifest = _describe(order, study, final, evaluations, parity)
    looked = inspect(study, method, evaluations)
    return msgspec.structs.replace(manifest, interval=interval, diagnostics=looked), graph


def _interval(study: Study, evaluations: Sequence[Evaluation]) -> Interval | None:
    coverage = study.recipe.interval
    if coverage is None:
        return None
    return intervals.fit([residuals(study, evaluation) for evaluation in evaluations], coverage=coverage)


def _fit_all(study: Study, method: Method) -> _Final:
    usable = np.arange(len(study.samples.rows))
    states, met = study.meeting(usable)
    condition = study.where and study.where.columns[0].expression
    regime = Regime(condition, states, outside_rows=int((~met).sum())) if condition else None
    started = time.perf_counter()
    fitted = TRAINING.fit(study, method, usable[met])
    return _Final(fitted, usable[met], regime, time.perf_counter() - started)


def _prove(study: Study, final: FittedRows, graph: bytes, windows: Sequence[Window]) -> Parity:
    """On every row that was held out, some of the others, and rows no table holds."""
    positions = len(study.samples.rows)
    draw = np.random.default_rng(study.recipe.seed).permutation(positions)[:PROVED_TRAINING_ROWS]
    chosen: Integers = np.unique(np.concatenate([draw, *(window.test for window in windows)]))
    matrix = final.matrix(study.samples.rows[chosen])
    probed = export.probes(matrix, final.categories, fills_missing=study.recipe.missing == "median")
    return export.prove(graph, final.learned, probed)


def _describe(order: Order, study: Study, final: _Final, evaluations: Sequence[Evaluation], parity: Parity) -> Manifest:
    recipe, samples = study.recipe, study.samples
    folds = tuple(evaluation.fold for evaluation in evaluations)
    return Manifest(
        id=order.model_id,
        name=recipe.name,
        fingerprint=order.fingerprint,
        task="classification" if samples.classes else "regression",
        algorithm=recipe.algorithm,
        recipe=recipe.as_json(),
        dataset=recipe.dataset,
        dataset_sha256=order.table.sha256,
        features=_feature_columns(study, final.fitted),
        feature_version=FEATURE_VERSION,
        feature_states=final.fitted.states,
        target=TargetFacts(study.target.expression, study.target.transform, study.target.horizon),
        classes=samples.classes,
        missing=recipe.missing,
        metrics=metrics.average([fold.metrics for fold in folds]),
        baselines=metrics.average_each([fold.baselines for fold in folds]),
        folds=folds,
        importances=_importances(study, final.fitted, evaluations[-1]),
        parity=parity,
        regime=final.regime,
        pruned=_pruned(study, final.fitted),
        rounds=final.fitted.rounds,
        calibration=calibrator.learned if (calibrator := final.fitted.learned.calibrator) else None,
        trained_rows=len(final.positions),
        trained_until=None if samples.clockwork is None else bound(samples, final.positions[-1]),
        fit_seconds=final.fit_seconds,
        parent=recipe.parent,
        created_at=datetime.now(UTC),
        software={name: version(name) for name in (*SOFTWARE, *_installed(XGBOOST))},
    )


def _feature_columns(study: Study, final: FittedRows) -> tuple[FeatureColumn, ...]:
    return tuple(
        FeatureColumn(column.name, column.expression, column.kind, seen or ())
        for column, seen in zip(study.plan.columns, final.categories, strict=True)
    )


def _pruned(study: Study, final: FittedRows) -> tuple[str, ...]:
    if study.recipe.prune is None:
        return ()
    kept = set(final.learned.preprocessor.sources.tolist())
    return tuple(name for column, name in enumerate(study.plan.names) if column not in kept)


def _importances(study: Study, final: FittedRows, last: Evaluation) -> dict[str, dict[str, float]]:
    """Permutation on the last window's test rows, and what the final model says of itself."""
    learned = final.learned
    own = importances.by_feature(learned.fitted.importances(), learned.preprocessor.sources, study.plan.names)
    return {"permutation": permutation(study, last, seed=study.recipe.seed)} | own


def _installed(names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        with suppress(PackageNotFoundError):
            version(name)
            found.append(name)
    return found
