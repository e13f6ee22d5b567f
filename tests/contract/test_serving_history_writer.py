"""What a prediction's acknowledgement means: it is committed. The same on every database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from forecastle.db import Database, open_database
from forecastle.serving.errors import HistoryFull, HistoryUnavailable, PredictionRefused
from forecastle.serving.history import HistoryWriter, Record, history_writer
from forecastle.serving.tables import PredictionRow
from forecastle.settings import DatabaseSettings, ServingSettings
from forecastle.types import new_id

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
Outage = Callable[[], AbstractAsyncContextManager[None]]


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": new_id(NOW),
        "owner": None,
        "model_id": new_id(NOW),
        "model_name": "prices",
        "model_version": 3,
        "input": '{"features":[1.5,null,"é"]}',
        "output": '{"prediction":0.1}',
        "confidence": 0.75,
        "latency_ms": 0.25,
        "cached": False,
        "request_id": "request",
        "created_at": NOW,
    }
    return Record(**fields | changes)


async def stored_ids(database: Database) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(select(PredictionRow.id)))


class Relay:
    """A relay in front of the PostgreSQL server's socket, whose line can be cut, or made deaf."""

    def __init__(self, folder: Path, server: str) -> None:
        self.socket, self.server = folder / ".s.PGSQL.5432", server
        self.silent = False
        self._lines: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with await asyncio.start_unix_server(self._connect, self.socket):
            yield
            self.cut()

    def cut(self) -> None:
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()

    async def _connect(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self.server)
        self._lines |= {to_client, to_server}
        await asyncio.gather(self._pass(client, to_server), self._pass(server, to_client, from_server=True))

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, from_server: bool = False
    ) -> None:
        try:
            while data := await source.read(65536):
                if not (from_server and self.silent):
                    target.write(data)
        except ConnectionError:
            pass
        finally:
            target.close()


@pytest.fixture
def settings() -> ServingSettings:
    return ServingSettings(history_timeout_s=0.4, history_queue_rows=500)


@pytest.fixture
async def writer(database: Database, settings: ServingSettings) -> AsyncIterator[HistoryWriter]:
    async with history_writer(database, settings) as writer:
        yield writer


@pytest.fixture
async def fragile(
    database: Database, database_settings: DatabaseSettings, settings: ServingSettings, tmp_path: Path
) -> AsyncIterator[tuple[HistoryWriter, Outage]]:
    """A writer, and a way to take its database away for a while."""
    if database.dialect == "sqlite":

        @asynccontextmanager
        async def lock() -> AsyncIterator[None]:
            other = sqlite3.connect(database.url.database or "", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            yield
            other.close()

        async with history_writer(database, settings) as writer:
            yield writer, lock
        return

    relay = Relay(tmp_path, f"{database.url.query['host']}/.s.PGSQL.5432")
    url = make_url(database_settings.url or "").set(query={"host": str(tmp_path)}).render_as_string(hide_password=False)
    listening = relay.listening()
    await listening.__aenter__()

    @asynccontextmanager
    async def cut() -> AsyncIterator[None]:
        nonlocal listening
        await listening.__aexit__(None, None, None)
        relay.socket.unlink(missing_ok=True)
        yield
        listening = relay.listening()
        await listening.__aenter__()

    async with (
        open_database(DatabaseSettings(url=url), home=tmp_path) as through,
        history_writer(through, settings) as writer,
    ):
        yield writer, cut
    await listening.__aexit__(None, None, None)


async def eventually(succeeds: Callable[[], Awaitable[None]]) -> None:
    for _ in range(200):
        try:
            return await succeeds()
        except HistoryUnavailable:
            await asyncio.sleep(0.05)
    pytest.fail("the writer did not recover")


async def test_a_record_reads_back_as_it_was(database: Database, writer: HistoryWriter) -> None:
    written = record()
    await writer.append(written)
    async with database.read() as session:
        row = await session.get_one(PredictionRow, written.id)
    assert row.input == {"features": [1.5, None, "é"]}
    assert row.output == {"prediction": 0.1}
    scalars = set(Record.__struct_fields__) - {"input", "output"}
    assert {name: getattr(row, name) for name in scalars} == {name: getattr(written, name) for name in scalars}


async def test_whoever_is_acknowledged_is_stored(database: Database, writer: HistoryWriter) -> None:
    records = [record() for _ in range(300)]
    await asyncio.gather(*(writer.append(one) for one in records))
    assert await stored_ids(database) == {one.id for one in records}


@pytest.mark.parametrize("size", [1, 82, 83, 84, 166, 400])
async def test_records_appended_together_are_stored_together_or_not_at_all(
    database: Database, writer: HistoryWriter, size: int
) -> None:
    good, twice = [record() for _ in range(size)], record()
    await writer.append(*good)
    with pytest.raises(PredictionRefused):
        await writer.append(twice, *(record() for _ in range(size)), twice)
    assert await stored_ids(database) == {one.id for one in good}


@pytest.mark.parametrize("flaw", [{"owner": "nobody"}, {"id": "0" * 26}, {"model_name": "\ud800"}])
async def test_a_refused_record_fails_alone(database: Database, writer: HistoryWriter, flaw: dict[str, Any]) -> None:
    await writer.append(record(id="0" * 26))
    good, bad = [record() for _ in range(20)], record(**flaw)
    group = [*good[:7], bad, *good[7:]]
    answers = await asyncio.gather(*(writer.append(one) for one in group), return_exceptions=True)
    assert [type(answer) for answer in answers] == [PredictionRefused if one is bad else type(None) for one in group]
    assert await stored_ids(database) == {"0" * 26, *(one.id for one in good)}
    assert writer.trouble is None


async def test_a_full_queue_refuses_and_stores_what_it_took(database: Database, writer: HistoryWriter) -> None:
    records = [record() for _ in range(600)]
    answers = await asyncio.gather(*(writer.append(one) for one in records), return_exceptions=True)
    accepted = {one.id for one, answer in zip(records, answers, strict=True) if answer is None}
    refused = [answer for answer in answers if answer is not None]
    assert len(accepted) == 500
    assert {type(answer) for answer in refused} == {HistoryFull}
    assert await stored_ids(database) == accepted
    await writer.append(record())


async def test_closing_stores_what_waits_and_refuses_what_comes(database: Database, settings: ServingSettings) -> None:
    records = [record() for _ in range(50)]
    async with history_writer(database, settings) as writer:
        appends = [asyncio.create_task(writer.append(one)) for one in records]
        await asyncio.sleep(0)
    await asyncio.gather(*appends)
    assert await stored_ids(database) == {one.id for one in records}
    with pytest.raises(HistoryUnavailable, match="shutting down"):
        await writer.append(record())


async def test_an_append_given_up_while_it_waits_is_not_stored_later(database: Database, writer: HistoryWriter) -> None:
    given_up, kept = record(), record()
    task = asyncio.create_task(writer.append(given_up))
    other = asyncio.create_task(writer.append(kept))
    await asyncio.sleep(0)
    task.cancel()
    await other
    await asyncio.wait([task])
    assert kept.id in await stored_ids(database)
    assert given_up.id not in await stored_ids(database)


async def test_an_outage_fails_everything_that_waits_and_heals_by_itself(
    database: Database, fragile: tuple[HistoryWriter, Outage]
) -> None:
    writer, outage = fragile
    before, during, after = record(), [record() for _ in range(20)], record()
    await writer.append(before)
    async with outage():
        answers = await asyncio.gather(*(writer.append(one) for one in during), return_exceptions=True)
        assert {type(answer) for answer in answers} == {HistoryUnavailable}
        for _ in range(4):
            await asyncio.sleep(0.05)
            with pytest.raises(HistoryUnavailable, match="does not store predictions now"):
                await writer.append(record())
    await eventually(lambda: writer.append(after))
    assert await stored_ids(database) == {before.id, after.id}
    assert writer.trouble is None


async def test_a_writer_without_its_database_starts_and_says_so(
    database: Database, settings: ServingSettings, tmp_path: Path
) -> None:
    if database.dialect == "sqlite":
        missing = DatabaseSettings(url=f"sqlite:///{tmp_path / 'nowhere' / 'forecastle.db'}")
    else:
        missing = DatabaseSettings(url=f"postgresql://nobody@/nothing?host={tmp_path}")
    async with open_database(missing, home=tmp_path) as nothing:
        if database.dialect == "sqlite":
            (tmp_path / "nowhere").rmdir()
        async with history_writer(nothing, settings) as writer:
            with pytest.raises(HistoryUnavailable, match="does not store predictions now"):
                await writer.append(record())
            assert writer.trouble is not None


@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
async def test_a_commit_whose_outcome_is_unknown_is_not_acknowledged(
    database: Database, database_settings: DatabaseSettings, settings: ServingSettings, tmp_path: Path
) -> None:
    relay = Relay(tmp_path, f"{database.url.query['host']}/.s.PGSQL.5432")
    url = make_url(database_settings.url or "").set(query={"host": str(tmp_path)}).render_as_string(hide_password=False)
    unknown, after = record(), record()
    async with (
        relay.listening(),
        open_database(DatabaseSettings(url=url), home=tmp_path) as through,
        history_writer(through, settings) as writer,
    ):
        await writer.append(record())
        relay.silent = True
        with pytest.raises(HistoryUnavailable):
            await writer.append(unknown)
        relay.silent = False
        relay.cut()
        await eventually(lambda: writer.append(after))
    stored = await stored_ids(database)
    assert {unknown.id, after.id} <= stored


@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
@pytest.mark.parametrize("option", ["sslmode=disable", "ssl=disable", "prepared_statement_cache_size=10"])
async def test_options_of_the_address_reach_the_writers_connection(
    database: Database, database_settings: DatabaseSettings, settings: ServingSettings, tmp_path: Path, option: str
) -> None:
    same = DatabaseSettings(url=f"{database_settings.url}&{option}")
    async with open_database(same, home=tmp_path) as opened, history_writer(opened, settings) as writer:
        written = record()
        await writer.append(written)
    assert written.id in await stored_ids(database)
