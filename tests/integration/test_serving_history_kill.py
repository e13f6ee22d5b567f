"""A process that is killed under load has stored every prediction it acknowledged."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process

from sqlalchemy import select

from forecastle.db import Database
from forecastle.serving.tables import PredictionRow
from forecastle.settings import DatabaseSettings

ROUNDS = 10
ACKNOWLEDGED_BEFORE_KILL = 300

# imports once, then makes a fresh process for every line it reads, which serves until it is killed
SERVER = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from forecastle.db import open_database
from forecastle.serving.history import Record, history_writer
from forecastle.settings import DatabaseSettings, ServingSettings
from forecastle.types import new_id

def say(text):
    os.write(1, f"{text}\\n".encode())

async def ask(writer):
    while True:
        now = datetime.now(UTC)
        record = Record(new_id(now), None, "m" * 26, "prices", 1, "{}", "{}", None, 0.1, False, None, now)
        await writer.append(record)
        say(record.id)

async def serve():
    say(os.getpid())
    async with open_database(DatabaseSettings(url=sys.argv[1]), home=Path()) as database:
        async with history_writer(database, ServingSettings()) as writer:
            await asyncio.gather(*(ask(writer) for _ in range(200)))

for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(serve())
    say(f"status {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")
"""


async def acknowledged_until_killed(server: Process) -> set[str]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(b"go\n")
    child = int(await server.stdout.readline())
    seen = [await server.stdout.readline() for _ in range(ACKNOWLEDGED_BEFORE_KILL)]
    os.kill(child, signal.SIGKILL)
    while not seen[-1].startswith(b"status"):
        seen.append(await server.stdout.readline())
    assert seen.pop() == f"status {-signal.SIGKILL}\n".encode()
    return {line.decode().strip() for line in seen}


async def test_acknowledged_predictions_survive_the_kill(
    database: Database, database_settings: DatabaseSettings
) -> None:
    assert database_settings.url is not None
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, database_settings.url, stdin=pipe, stdout=pipe
    )
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        acknowledged |= await acknowledged_until_killed(server)
    await server.communicate(b"")
    assert server.returncode == 0
    async with database.read() as session:
        stored = set(await session.scalars(select(PredictionRow.id)))
    assert len(acknowledged) >= ROUNDS * ACKNOWLEDGED_BEFORE_KILL
    assert acknowledged <= stored
