"""Checking processes: started for one file each, watched, and killed when they take too much."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from forecastle.errors import clip
from forecastle.jobs.memory import MB, Meter
from forecastle.jobs.threads import CAPS
from forecastle.settings import UploadSettings
from forecastle.uploads import messages
from forecastle.uploads.describing import Findings
from forecastle.uploads.errors import CheckUnavailable, ModelRefused
from forecastle.uploads.messages import Doing, Message, Order, Passed, Refused

log = structlog.get_logger("forecastle.uploads")

COMMAND = ("-I", "-m", "forecastle.uploads.checking")
MAX_WAITING = 32
LOOK_S = 0.02
SAID_BYTES = 1024 * 1024
"""More is no word of ours."""
PRINTED_BYTES = 16 * 1024
ADAPTED_BYTES = 4 * MB
"""What our input and output may add to a file."""
OUR_SETTINGS = "FORECASTLE_"
"""Some of which are secret."""


@dataclass(slots=True)
class _Watched:
    """What is known of a process once it has ended."""

    said: bytes = b""
    printed: bytes = b""
    trouble: str | None = None
    """Why it was killed."""


class Inspector:
    """Checks files, a few at a time; the others wait."""

    def __init__(self, settings: UploadSettings, *, most_rows: int) -> None:
        self.settings = settings
        self._most_rows = most_rows
        self._turns = asyncio.Semaphore(settings.at_once)
        self._waiting = 0

    async def inspect(self, file: Path, adapted: Path, document: Mapping[str, Any]) -> Findings:
        """Check a file in a process of its own, and have the graph that can be served written.

        Args:
            file: what was uploaded.
            adapted: where the graph will be.
            document: what is said of the file, as JSON.

        Raises:
            ModelRefused: the file does not pass, or took more than it may.
            CheckUnavailable: too many files wait, no process could be started, or it ended before it read the file.
        """
        settings = self.settings
        order = Order(
            file=str(file),
            adapted=str(adapted),
            document=json.dumps(document),
            parent=os.getpid(),
            memory_bytes=settings.memory_mb * MB,
            cpu_s=settings.cpu_s,
            file_bytes=settings.max_bytes + ADAPTED_BYTES,
            most_rows=self._most_rows,
            run_s=settings.run_s,
        )
        async with self._turn():
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *COMMAND,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    cwd=adapted.parent,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise CheckUnavailable(f"no process could be started to check the file: {error.strerror}") from error
            watched = await self._watch(process, messages.encode(order))
        return self._verdict(watched, process.returncode or 0)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise CheckUnavailable(f"{MAX_WAITING} files wait to be checked already; try again")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def _watch(self, process: asyncio.subprocess.Process, order: bytes) -> _Watched:
        """Let the process work, and end it: when it is done, takes too long or too much, or nobody waits any more."""
        watched = _Watched()
        work = asyncio.create_task(_converse(process, order, watched))
        meter = asyncio.create_task(_outgrown(process.pid, 2 * self.settings.memory_mb * MB))
        try:
            done, _ = await asyncio.wait(
                {work, meter}, timeout=self.settings.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if work not in done:
                watched.trouble = self._memory() if meter in done else f"at most {self.settings.timeout_s:g} s to check"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            meter.cancel()
            await asyncio.gather(work, meter, return_exceptions=True)
            await process.wait()
        return watched

    def _memory(self) -> str:
        return f"at most {self.settings.memory_mb:,} MB of memory to check"

    def _verdict(self, watched: _Watched, code: int) -> Findings:
        said = _messages(watched.said)
        last = said[-1] if said else None
        if isinstance(last, Passed) and watched.trouble is None:
            return last.findings
        if isinstance(last, Refused):
            raise ModelRefused(problems=last.problems)
        printed = clip(watched.printed.decode(errors="replace"), 500)
        log.warning("a file was not checked to the end", code=code, trouble=watched.trouble, printed=printed)
        if last is None and watched.trouble is None:
            raise CheckUnavailable("the process that checks files ended before it looked at this one; the log has more")
        doing = last.what if isinstance(last, Doing) else "starting"
        expected, found = (watched.trouble, "more") if watched.trouble else self._ended(code)
        raise ModelRefused.at("file", expected=expected, found=f"{found}, {doing}")

    def _ended(self, code: int) -> tuple[str, str]:
        """What was expected of a file whose process ended by itself, and what was found."""
        if -code == signal.SIGXCPU:
            return f"at most {self.settings.cpu_s} s of processor time to check", "more"
        if -code in {signal.SIGKILL, signal.SIGABRT}:  # a library that was refused memory gives up
            return self._memory(), "more"
        return "a model that ONNX Runtime survives", f"exit code {code}"


def _environment() -> dict[str, str]:
    """Ours, without secrets, and with one thread for each library."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OUR_SETTINGS)}
    return kept | dict.fromkeys(CAPS, "1")


async def _converse(process: asyncio.subprocess.Process, order: bytes, watched: _Watched) -> None:
    assert process.stdin is not None  # noqa: S101 - all three were asked for
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, and how will be told
        process.stdin.write(order)
        await process.stdin.drain()
    process.stdin.close()
    watched.said, watched.printed = await asyncio.gather(
        _first(process.stdout, SAID_BYTES), _first(process.stderr, PRINTED_BYTES)
    )
    await process.wait()


async def _first(stream: asyncio.StreamReader, limit: int) -> bytes:
    """The first bytes of a stream, which is read to its end."""
    kept = bytearray()
    while part := await stream.read(64 * 1024):
        kept += part[: limit - len(kept)]
    return bytes(kept)


async def _outgrown(pid: int, limit: int) -> None:
    """Return when the process uses more than the limit. It limits itself first, where the system lets it."""
    meter, now_s = Meter(pid), asyncio.get_running_loop().time
    while meter.used_bytes(now_s=now_s()) <= limit:  # noqa: ASYNC110 - nothing tells when memory grows
        await asyncio.sleep(LOOK_S)


def _messages(said: bytes) -> list[Message]:
    """What was said, up to where the process was cut off or said what is no message of ours."""
    found = []
    for line in said.splitlines():
        try:
            found.append(messages.decode(line))
        except msgspec.MsgspecError:
            break
    return found
