"""Predicting: which model, which features, the answer, its record committed, and only then the reply."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec
import numpy as np

from forecastle.features.targets import invert
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.registry.predictor import Matrix, Predictor, Row
from forecastle.serving import answers
from forecastle.serving.answers import Answer
from forecastle.serving.errors import BadBatch
from forecastle.serving.history import Record
from forecastle.serving.moments import COMPARES, Moment
from forecastle.serving.opening import Serving
from forecastle.serving.prediction import (
    Bounds,
    Fallback,
    ModelName,
    Prediction,
    PredictionInterval,
    TargetValue,
)
from forecastle.serving.residents import Chosen
from forecastle.types import new_id

_ENCODER = msgspec.json.Encoder()
INLINE_ROWS = 16
"""So few rows are answered sooner here than by a thread."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which request."""

    owner: str | None = None
    """A user's id; None on the command line."""
    request_id: str | None = None


async def predict(serving: Serving, row: Row, *, model: str | None, caller: Caller) -> Prediction:
    """The prediction for one row: see `predict_many`."""
    started = serving.clock.monotonic_s()
    chosen = serving.residents.held(model) or await serving.residents.choose(model)
    return await _predict_one(serving, chosen, _Question(row), caller, started)


async def predict_many(
    serving: Serving, rows: Sequence[Row], *, model: str | None, caller: Caller
) -> tuple[Prediction, ...]:
    """One prediction per row, all of them committed to the history when it returns, or none given.

    This is all that a door needs: it knows no HTTP, awaits nothing but the choice of the model (kept for a second) and
    the commit of the history (shared with everybody who waits), and costs one run of the model, or none if it was
    asked the same before. Who asks must have been settled already.

    Args:
        serving: what predictions need.
        rows: 1 to `max_batch_rows` rows, each in feature order or by feature name.
        model: an id or a name; None for the newest in production.
        caller: whose history they go to.

    Raises:
        BadBatch: no rows, or too many.
        BadFeatures: a row does not fit the model; nothing is predicted.
        ModelNotFound: no model has that id or name.
        NoModel: none was named and there is none.
        ModelUnusable: neither the model nor an earlier version can be loaded.
        HistoryUnavailable: the predictions cannot be stored now; `HistoryFull` when too many wait.
    """
    started = serving.clock.monotonic_s()
    most = serving.settings.max_batch_rows
    if not 1 <= len(rows) <= most:
        raise BadBatch.at("samples", expected=f"1 to {most} rows", found=str(len(rows)))
    chosen = await serving.residents.choose(model)
    questions = [_Question(row) for row in rows]
    return await _predict(serving, chosen, questions, caller, label="samples[{}]", started=started)


async def predict_at(serving: Serving, moment: Moment, *, model: str | None, caller: Caller) -> Prediction:
    """The prediction for a key as of a time, its features computed from what was known then.

    Raises:
        BadMoment: the key is unknown or has no row by then, or the model's dataset was removed.
        BadInput: key, time or given do not fit the dataset, or a feature is missing there.
        ForecastleError: as `predict_many`.
    """
    started = serving.clock.monotonic_s()
    chosen = await serving.residents.choose(model)
    sight = await serving.frames.look(chosen.predictor.manifest, moment)
    asked = {"key": moment.key, "time": moment.time.isoformat(), "given": moment.given}
    question = _Question(sight.features, asked, sight.current, sight.as_of, sight.warnings)
    return await _predict_one(serving, chosen, question, caller, started)


@dataclass(slots=True)
class _Question:
    """A row, and what is known of it beside its features."""

    row: Row
    moment: Mapping[str, object] | None = None
    """What was asked for, if the features were computed from it."""
    current: float | None = None
    """The target's value at the row."""
    as_of: datetime | None = None
    """Time of the newest row that its features were computed from."""
    warnings: tuple[str, ...] = ()


async def _predict_one(
    serving: Serving, chosen: Chosen, question: "_Question", caller: Caller, started: float
) -> Prediction:
    matrix = chosen.predictor.encode_one(question.row)
    key = chosen.model.id, matrix.tobytes()
    known = serving.answers.recall(key)
    answer = known or answers.read_output(chosen.predictor.predict(matrix))[0]
    if known is None:
        serving.answers.keep(key, answer)
    clock = serving.clock
    latency_ms = round((clock.monotonic_s() - started) * 1000, 3)
    prediction = _prediction(chosen, question, answer, cached=known is not None, now=clock.now(), latency_ms=latency_ms)
    await serving.history.append(_record(caller, question, prediction))
    serving.metrics.predicted(model=chosen.model.name, cached=prediction.cached)
    return prediction


async def _predict(
    serving: Serving, chosen: Chosen, questions: Sequence[_Question], caller: Caller, *, label: str, started: float
) -> tuple[Prediction, ...]:
    matrix = chosen.predictor.encode([question.row for question in questions], label=label)
    answered = await _answer(serving, chosen, matrix)
    now = serving.clock.now()
    latency_ms = round((serving.clock.monotonic_s() - started) * 1000, 3)
    predictions = tuple(
        _prediction(chosen, question, answer, cached=cached, now=now, latency_ms=latency_ms)
        for question, (answer, cached) in zip(questions, answered, strict=True)
    )
    await serving.history.append(*map(partial(_record, caller), questions, predictions))
    for prediction in predictions:
        serving.metrics.predicted(model=prediction.model.name, cached=prediction.cached)
    return predictions


async def _answer(serving: Serving, chosen: Chosen, matrix: Matrix) -> list[tuple[Answer, bool]]:
    """An answer per row, and whether it was known; the model is run once, for all rows it was not asked before."""
    keys = answers.keys(chosen.model, matrix)
    known = [serving.answers.recall(key) for key in keys]
    fresh = [place for place, answer in enumerate(known) if answer is None]
    computed = await _run(chosen.predictor, matrix[fresh] if len(fresh) < len(keys) else matrix) if fresh else []
    for place, answer in zip(fresh, computed, strict=True):
        serving.answers.keep(keys[place], answer)
    given = iter(computed)
    return [(answer, True) if answer is not None else (next(given), False) for answer in known]


async def _run(predictor: Predictor, matrix: Matrix) -> list[Answer]:
    inline = len(matrix) <= INLINE_ROWS
    output = predictor.predict(matrix) if inline else await asyncio.to_thread(predictor.predict, matrix)
    return answers.read_output(output)


def _prediction(
    chosen: Chosen, question: _Question, answer: Answer, *, cached: bool, now: datetime, latency_ms: float
) -> Prediction:
    model, manifest = chosen.model, chosen.predictor.manifest
    probabilities = dict(zip(manifest.classes, answer.probabilities, strict=True)) if answer.probabilities else None
    return Prediction(
        id=new_id(now),
        prediction=answer.value,
        confidence=max(answer.probabilities, default=None),
        probabilities=probabilities,
        model=chosen.name,
        model_version=model.version,
        cached=cached,
        latency_ms=latency_ms,
        created_at=now,
        target=_target(manifest, answer.value, question.current),
        interval=_interval(manifest, answer.value, question.current),
        features=question.row if question.moment and isinstance(question.row, dict) else None,
        as_of=question.as_of,
        fallback=Fallback(_name(chosen.preferred), chosen.reason or "") if chosen.preferred else None,
        warnings=question.warnings + _unseen(chosen.predictor, question.row),
    )


def _name(model: Model) -> ModelName:
    return ModelName(model.id, model.name, model.version)


def _target(manifest: Manifest, value: float | str, current: float | None) -> TargetValue | None:
    if isinstance(value, str) or (turned := _in_target_units(manifest, [value], current)) is None:
        return None
    return TargetValue(manifest.target.expression, turned[0])


def _interval(manifest: Manifest, value: float | str, current: float | None) -> PredictionInterval | None:
    learned = manifest.interval
    if learned is None or isinstance(value, str):
        return None
    lower, upper = value + learned.lower, value + learned.upper
    turned = _in_target_units(manifest, [lower, upper], current)
    return PredictionInterval(learned.coverage, lower, upper, Bounds(*sorted(turned)) if turned else None)


def _in_target_units(manifest: Manifest, values: list[float], current: float | None) -> list[float] | None:
    """Values in the target's own units; None if its present value is needed and not known, or one is not finite."""
    transform = manifest.target.transform
    if transform in COMPARES and current is None:
        return None
    if transform != "none":
        with np.errstate(over="ignore"):
            now = np.full(len(values), current or 0.0)
            values = invert(np.array(values), now, transform).tolist()
    return values if all(map(math.isfinite, values)) else None


def _unseen(predictor: Predictor, row: Row) -> tuple[str, ...]:
    return tuple([f"{name}: this category was not seen in training" for name in predictor.unseen(row)])


def _record(caller: Caller, question: _Question, prediction: Prediction) -> Record:
    output: dict[str, object] = {"prediction": prediction.prediction}
    for extra in ("probabilities", "target", "interval", "as_of", "fallback", "warnings"):
        if value := getattr(prediction, extra):
            output[extra] = value
    return Record(
        id=prediction.id,
        owner=caller.owner,
        model_id=prediction.model.id,
        model_name=prediction.model.name,
        model_version=prediction.model.version,
        input=_input(question),
        output=_json(output),
        confidence=prediction.confidence,
        latency_ms=prediction.latency_ms,
        cached=prediction.cached,
        request_id=caller.request_id,
        created_at=prediction.created_at,
    )


def _input(question: _Question) -> str:
    moment = question.moment or {}
    try:
        return _json({"features": question.row, **moment} if moment else {"features": question.row})
    except OverflowError:  # an integer of more than 64 bits: stored as the float that the model saw
        return _json({"features": _short(question.row), **moment})


def _short(row: Row) -> Row:
    if isinstance(row, Mapping):
        return dict(zip(row, _short(list(row.values())), strict=True))
    return [float(value) if isinstance(value, int) else value for value in row]


def _json(value: object) -> str:
    return _ENCODER.encode(value).decode()
