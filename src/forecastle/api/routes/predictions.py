"""Predictions: ask for them, look back at one's own, say what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, FailFast, Field

from forecastle.api import examples
from forecastle.api.depends import ServicesDep, UserDep
from forecastle.api.examples import shown
from forecastle.api.routes import PREFIX
from forecastle.errors import BadInput
from forecastle.serving.history import reading
from forecastle.serving.moments import Moment
from forecastle.serving.predict import Caller, predict, predict_at, predict_many
from forecastle.serving.prediction import (
    Fallback,
    Feedback,
    ModelName,
    Prediction,
    PredictionInterval,
    StoredPrediction,
)
from forecastle.serving.times import read_time
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["predictions"])

MAX_COLUMNS = 1_000
"""Columns of one row: more than any model has features."""

Name = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=2_000)]
ModelWanted = Annotated[Name | None, Field(description="Id or name; left out, the newest model in production.")]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Row = list[Any] | dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PredictRequest(_Body):
    """Either `features`, or `key` and `time`."""

    model: ModelWanted = None
    features: Row | None = Field(None, description="In the model's order, or by name.", examples=[[0.01, 0.02, 1.1]])
    key: dict[Name, Text] | None = Field(
        None, max_length=MAX_COLUMNS, description="A value for each key column.", examples=[{"ticker": "NVDA"}]
    )
    time: Name | None = Field(None, description="ISO 8601; the features are computed from what was known then.")
    given: dict[Name, bool | Finite | Text | None] | None = Field(
        None,
        max_length=MAX_COLUMNS,
        description="For an event that is not in the table: columns that are known beforehand.",
    )


class BatchRequest(_Body):
    """Several rows for one model."""

    model: ModelWanted = None
    samples: Annotated[list[Row], FailFast()] = Field(description="Each as `features` of a single prediction.")


class FeedbackRequest(_Body):
    """What really happened."""

    prediction_id: str = Field(max_length=64)
    actual_value: Finite | Annotated[str, Field(max_length=1000)]
    feedback_score: Finite | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One entry a row, in the order of the rows."""

    predictions: Sequence[float | str]
    count: int
    ids: Sequence[str]
    probabilities: Sequence[Mapping[str, float]] | None
    confidences: Sequence[float] | None
    cached: Sequence[bool]
    intervals: Sequence[PredictionInterval] | None
    """None where the model gives none."""
    warnings: Sequence[Sequence[str]]
    model: ModelName
    model_version: int
    latency_ms: float
    fallback: Fallback | None


def _caller(request: Request, user: UserDep) -> Caller:
    return Caller(user.id, request.scope.get("state", {}).get("request_id"))


CallerDep = Annotated[Caller, Depends(_caller)]


@router.post("/predict", response_model=Prediction, responses=shown(examples.PREDICTION))
async def predict_one(services: ServicesDep, caller: CallerDep, body: PredictRequest) -> Response:
    """Predict one row. When the answer arrives, it is stored."""
    if (moment := _moment(body)) is not None:
        prediction = await predict_at(services.serving, moment, model=body.model, caller=caller)
    else:
        features = body.features or ()
        prediction = await predict(services.serving, features, model=body.model, caller=caller)
    return _json(prediction)


@router.post("/batch-predict", response_model=BatchAnswer, responses=shown(examples.BATCH))
async def predict_batch(services: ServicesDep, caller: CallerDep, body: BatchRequest) -> Response:
    """Predict 1 to 100 rows with one run of the model. All of them are stored, or none is answered."""
    return _json(batch_answer(await predict_many(services.serving, body.samples, model=body.model, caller=caller)))


@router.get("/predictions")
@router.get("/predictions/history", name="predictions_history")
async def list_predictions(
    services: ServicesDep,
    user: UserDep,
    model: Annotated[Name | None, Query(description="Only those of the model of this id or name.")] = None,
    since: Annotated[Name | None, Query(description="Only those from this time on, ISO 8601.")] = None,
    until: Annotated[Name | None, Query(description="Only those before this time, ISO 8601.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[Name | None, Query(description="The `next` of an earlier page.")] = None,
) -> Page[StoredPrediction]:
    """One's own predictions, the newest first."""
    async with services.database.read() as session:
        return await reading.list_predictions(
            session,
            owner=user.id,
            model=model,
            since=read_time(since, field="since") if since else None,
            until=read_time(until, field="until") if until else None,
            limit=limit,
            cursor=cursor,
        )


@router.get("/predictions/{prediction_id}")
async def get_prediction(services: ServicesDep, user: UserDep, prediction_id: str) -> StoredPrediction:
    """One of one's own predictions, with what was said about it."""
    async with services.database.read() as session:
        return await reading.get(session, prediction_id, owner=user.id)


@router.post("/feedback", status_code=201)
async def give_feedback(services: ServicesDep, user: UserDep, body: FeedbackRequest) -> Feedback:
    """Say what really happened after one of one's own predictions; saying it again replaces what was said."""
    async with services.database.write() as session:
        return await reading.give_feedback(
            session,
            body.prediction_id,
            owner=user.id,
            actual_value=body.actual_value,
            score=body.feedback_score,
            now=services.clock.now(),
        )


def _moment(body: PredictRequest) -> Moment | None:
    """The key and time asked for, or None if features were sent."""
    dated = {name: value for name in ("key", "time", "given") if (value := getattr(body, name)) is not None}
    if body.features is not None:
        if dated:
            raise BadInput.at("features", expected="features, or a key and a time", found=f"both: {', '.join(dated)}")
        return None
    if body.time is None:
        field = "time" if dated else "features"
        expected = "an ISO 8601 date or time" if dated else "features, or a key and a time"
        raise BadInput.at(field, expected=expected, found="nothing")
    return Moment(body.key or {}, read_time(body.time), body.given or {})


def batch_answer(predictions: Sequence[Prediction]) -> BatchAnswer:
    """Predictions of one model as the answer to a batch."""
    first = predictions[0]
    classes = first.probabilities is not None
    return BatchAnswer(
        predictions=[each.prediction for each in predictions],
        count=len(predictions),
        ids=[each.id for each in predictions],
        probabilities=[each.probabilities or {} for each in predictions] if classes else None,
        confidences=[each.confidence or 0.0 for each in predictions] if classes else None,
        cached=[each.cached for each in predictions],
        intervals=[each.interval for each in predictions if each.interval] or None,
        warnings=[each.warnings for each in predictions],
        model=first.model,
        model_version=first.model_version,
        latency_ms=first.latency_ms,
        fallback=first.fallback,
    )


def _json(answer: object) -> Response:
    """The answer without a second validation of what we made ourselves."""
    return Response(msgspec.json.encode(answer), media_type="application/json")
