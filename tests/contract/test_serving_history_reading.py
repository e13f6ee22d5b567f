"""Reading one's own predictions, and saying what really happened: the same on every database."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecastle.auth.tables import UserRow
from forecastle.db import Database
from forecastle.db.paging import BadCursor
from forecastle.serving.errors import BadFeedback, PredictionNotFound
from forecastle.serving.history import HistoryWriter, Record, history_writer, reading
from forecastle.serving.prediction import Feedback, ModelName, StoredPrediction
from forecastle.serving.tables import FeedbackRow, PredictionRow
from forecastle.settings import ServingSettings
from forecastle.types import new_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def record(minute: int = 0, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": new_id(NOON),
        "owner": "ada",
        "model_id": "m" * 26,
        "model_name": "prices",
        "model_version": 1,
        "input": '{"features":[1.0]}',
        "output": '{"prediction":2.0}',
        "confidence": None,
        "latency_ms": 0.5,
        "cached": False,
        "request_id": None,
        "created_at": NOON + timedelta(minutes=minute),
    }
    return Record(**fields | changes)


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[HistoryWriter]:
    async with database.write() as session:
        for name in ("ada", "eve"):
            row = {"id": name, "username": name, "username_folded": name, "password_hash": "-", "role": "user"}
            session.add(UserRow(**row, created_at=NOON))
    async with history_writer(database, ServingSettings()) as writer:
        yield writer


async def ids(database: Database, **filters: Any) -> list[str]:
    async with database.read() as session:
        page = await reading.list_predictions(session, **{"owner": "ada", **filters})
    return [prediction.id for prediction in page.items]


async def test_pages_are_newest_first_and_whole(database: Database, writer: HistoryWriter) -> None:
    records = [record(minute) for minute in (3, 1, 2, 2, 5)]
    await writer.append(*records)
    newest_first = [one.id for one in sorted(records, key=lambda one: (one.created_at, one.id), reverse=True)]
    async with database.read() as session:
        first = await reading.list_predictions(session, owner="ada", limit=3)
        await writer.append(record(minute=9))
        second = await reading.list_predictions(session, owner="ada", limit=3, cursor=first.next)
    assert [one.id for one in (*first.items, *second.items)] == newest_first
    assert second.next is None


async def test_a_foreign_cursor_is_refused(database: Database) -> None:
    with pytest.raises(BadCursor):
        await ids(database, cursor="yesterday")


async def test_filters_really_filter(database: Database, writer: HistoryWriter) -> None:
    early, late, wine = record(0), record(10), record(5, model_id="w" * 26, model_name="wine")
    await writer.append(early, late, wine)
    assert await ids(database) == [late.id, wine.id, early.id]
    assert await ids(database, model="wine") == [wine.id]
    assert await ids(database, model="w" * 26) == [wine.id]
    assert await ids(database, model="tea") == []
    assert await ids(database, since=wine.created_at) == [late.id, wine.id]
    assert await ids(database, until=wine.created_at) == [early.id]
    assert await ids(database, since=NOON, until=NOON + timedelta(minutes=6), model="prices") == [early.id]


async def test_everyone_sees_their_own(database: Database, writer: HistoryWriter) -> None:
    ada, eve, nobody = record(), record(owner="eve"), record(owner=None)
    await writer.append(ada, eve, nobody)
    for owner, own in (("ada", ada), ("eve", eve), (None, nobody)):
        assert await ids(database, owner=owner) == [own.id]
        async with database.read() as session:
            assert (await reading.get(session, own.id, owner=owner)).id == own.id
            for other in {ada.id, eve.id, nobody.id, "nothing"} - {own.id}:
                with pytest.raises(PredictionNotFound):
                    await reading.get(session, other, owner=owner)


async def test_a_prediction_reads_back_whole(database: Database, writer: HistoryWriter) -> None:
    written = record(
        input='{"features":{"a":1.0},"key":{"ticker":"X"},"time":"2026-01-01"}',
        output='{"prediction":"win","probabilities":{"lose":0.5,"win":0.5},"warnings":["careful"]}',
        confidence=0.5,
        request_id="r",
    )
    await writer.append(written)
    async with database.read() as session:
        stored = await reading.get(session, written.id, owner="ada")
    assert stored == StoredPrediction(
        id=written.id,
        prediction="win",
        confidence=0.5,
        probabilities={"lose": 0.5, "win": 0.5},
        model=ModelName("m" * 26, "prices", 1),
        model_version=1,
        cached=False,
        latency_ms=0.5,
        created_at=NOON,
        features={"a": 1.0},
        warnings=("careful",),
        input={"features": {"a": 1.0}, "key": {"ticker": "X"}, "time": "2026-01-01"},
        request_id="r",
    )


async def give(database: Database, prediction_id: str, value: float | str, **changes: Any) -> Feedback:
    async with database.write() as session:
        arguments: dict[str, Any] = {"owner": "ada", "actual_value": value, "score": None, "now": NOON}
        return await reading.give_feedback(session, prediction_id, **arguments | changes)


async def feedback(database: Database, prediction_id: str, *, owner: str = "ada") -> Feedback | None:
    async with database.read() as session:
        return (await reading.get(session, prediction_id, owner=owner)).feedback


async def test_repeated_feedback_replaces(database: Database, writer: HistoryWriter) -> None:
    written = record()
    await writer.append(written)
    await give(database, written.id, 1.0, score=0.1)
    last = await give(database, written.id, 2, now=NOON + timedelta(hours=1))
    assert await feedback(database, written.id) == last
    assert last == Feedback(written.id, 2, None, NOON + timedelta(hours=1))


async def test_feedback_at_once_leaves_one(database: Database, writer: HistoryWriter) -> None:
    written = record()
    await writer.append(written)
    given = await asyncio.gather(*(give(database, written.id, float(i)) for i in range(10)))
    assert await feedback(database, written.id) in given


async def test_feedback_is_for_own_predictions(database: Database, writer: HistoryWriter) -> None:
    written = record(owner="eve")
    await writer.append(written)
    with pytest.raises(PredictionNotFound):
        await give(database, written.id, 1.0)
    assert await feedback(database, written.id, owner="eve") is None


@pytest.mark.parametrize(
    ("output", "value", "message"),
    [
        ('{"prediction":2.0}', "up", "actual_value: expected a number, found up"),
        ('{"prediction":"up"}', 1.0, "actual_value: expected a class label, as text, found 1.0"),
        ('{"prediction":2.0}', math.nan, "actual_value: expected a finite number, found nan"),
    ],
)
async def test_feedback_must_fit_the_prediction(
    database: Database, writer: HistoryWriter, output: str, value: float | str, message: str
) -> None:
    written = record(output=output)
    await writer.append(written)
    with pytest.raises(BadFeedback) as caught:
        await give(database, written.id, value)
    assert caught.value.message == message


async def test_a_removed_user_takes_history_and_feedback_along(database: Database, writer: HistoryWriter) -> None:
    mine, other = record(), record(owner="eve")
    await writer.append(mine, other)
    await give(database, mine.id, 1.0)
    async with database.write() as session:
        await session.delete(await session.get_one(UserRow, "ada"))
    async with database.read() as session:
        assert await session.get(PredictionRow, mine.id) is None
        assert await session.get(FeedbackRow, mine.id) is None
        assert await session.get(PredictionRow, other.id) is not None
