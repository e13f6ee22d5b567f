"""Predictions that were given, each shown to the one who asked for it; and their feedback."""

import math
from dataclasses import replace
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.db.paging import newest_first
from forecastle.serving.errors import BadFeedback, PredictionNotFound
from forecastle.serving.prediction import Feedback, ModelName, StoredPrediction
from forecastle.serving.tables import FeedbackRow, PredictionRow
from forecastle.types import Page


async def list_predictions(
    session: AsyncSession,
    *,
    owner: str | None,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredPrediction]:
    """One page of the owner's predictions, newest first.

    Args:
        session: where to read.
        owner: whose; None means those asked for on the command line.
        model: only those of the model of this id or name.
        since: only those at or after this time, aware.
        until: only those before this time, aware.
        limit: how many at most.
        cursor: the `next` of an earlier page.

    Raises:
        BadCursor: not a cursor this function gave.
    """
    statement = select(PredictionRow).where(_is_owned(owner))
    if model is not None:
        statement = statement.where(or_(PredictionRow.model_id == model, PredictionRow.model_name == model))
    if since is not None:
        statement = statement.where(PredictionRow.created_at >= since)
    if until is not None:
        statement = statement.where(PredictionRow.created_at < until)
    return await newest_first(session, statement, PredictionRow, _stored, limit=limit, cursor=cursor)


async def get(session: AsyncSession, prediction_id: str, *, owner: str | None) -> StoredPrediction:
    """The owner's prediction of that id, with what was said about it.

    Raises:
        PredictionNotFound: there is none, or it is somebody else's.
    """
    row = await session.scalar(select(PredictionRow).where(PredictionRow.id == prediction_id, _is_owned(owner)))
    if row is None:
        raise PredictionNotFound(prediction_id)
    said = await session.scalar(select(FeedbackRow).where(FeedbackRow.prediction_id == prediction_id))
    return replace(_stored(row), feedback=_feedback(said) if said else None)


async def give_feedback(
    session: AsyncSession,
    prediction_id: str,
    *,
    owner: str | None,
    actual_value: float | str,
    score: float | None,
    now: datetime,
) -> Feedback:
    """Say what really happened after an own prediction; saying it again replaces what was said.

    Raises:
        PredictionNotFound: there is no such prediction, or it is somebody else's.
        BadFeedback: a number for a label, a label for a number, or a number that is not finite.
    """
    stored = await get(session, prediction_id, owner=owner)
    _check(actual_value, score, stored.prediction)
    feedback = Feedback(prediction_id, actual_value, score, now)
    fresh = {"actual_value": actual_value, "score": score, "created_at": now}
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.get_bind().dialect.name]
    statement = dialect.insert(FeedbackRow).values(prediction_id=prediction_id, **fresh)
    await session.execute(statement.on_conflict_do_update(index_elements=["prediction_id"], set_=fresh))
    return feedback


def _check(actual_value: float | str, score: float | None, prediction: object) -> None:
    if isinstance(actual_value, str) != isinstance(prediction, str):
        expected = "a class label, as text" if isinstance(prediction, str) else "a number"
        raise BadFeedback.at("actual_value", expected=expected, found=actual_value)
    for field, value in (("actual_value", actual_value), ("feedback_score", score)):
        if isinstance(value, float) and not math.isfinite(value):
            raise BadFeedback.at(field, expected="a finite number", found=value)


def _is_owned(owner: str | None) -> ColumnElement[bool]:
    return PredictionRow.owner.is_(None) if owner is None else PredictionRow.owner == owner


def _stored(row: PredictionRow) -> StoredPrediction:
    facts = {
        "confidence": row.confidence,
        "probabilities": None,
        "model": ModelName(row.model_id, row.model_name, row.model_version),
        "created_at": row.created_at,
        "features": row.input["features"] if "key" in row.input else None,
    }
    same = {name: getattr(row, name) for name in ("id", "model_version", "cached", "latency_ms", "input", "request_id")}
    return msgspec.convert(facts | same | row.output, StoredPrediction)


def _feedback(row: FeedbackRow) -> Feedback:
    said = row.actual_value  # a database may have made an integer of a round number
    return Feedback(row.prediction_id, said if isinstance(said, str) else float(said), row.score, row.created_at)
