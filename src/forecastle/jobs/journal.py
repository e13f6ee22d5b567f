"""The journal of one start of one job: a file that the worker appends to and the runner reads along.

One JSON object a line, one write a line and no lock, so a worker that dies leaves nothing locked or half-read.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The worker process `pid` has begun."""

    pid: int


class Report(msgspec.Struct, frozen=True, tag="report"):
    """So much is done."""

    share: float
    message: str
    status: Literal["preprocessing", "training"] = "preprocessing"


class Line(msgspec.Struct, frozen=True, tag="line"):
    """A line for the job's log."""

    at: datetime
    text: str


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """What a job measured at one of its `steps`, which are counted from 0."""

    step: int
    steps: int
    values: dict[str, float]


class Succeeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """The job gave a result."""

    result: dict[str, Any]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job did not give a result: why, in one line, and where, if Python knows."""

    error: str
    traceback: str = ""


News: TypeAlias = Report | Line | Measured
Outcome: TypeAlias = Succeeded | Failed
Entry: TypeAlias = Started | News | Outcome

MAX_TEXT = 4_000


def storable(text: str) -> str:
    """`text` as every database takes it: of limited length, without NUL and lone surrogates."""
    return text[:MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


_decode = msgspec.json.Decoder(Started | Report | Line | Measured | Succeeded | Failed).decode
_decode_several = msgspec.json.Decoder(list[Report | Line | Measured | Succeeded | Failed]).decode


def encode_several(entries: Sequence[News | Outcome]) -> bytes:
    """Entries in one piece, to be sent."""
    return msgspec.json.encode(entries)


def decode_several(encoded: bytes) -> Sequence[News | Outcome]:
    """What `encode_several` made one piece of."""
    return _decode_several(encoded)


class Journal:
    """The worker's end."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, entry: Entry) -> None:
        """Append one entry.

        Raises:
            TypeError: the entry holds something that JSON cannot say.
            OSError: the disk is full.
        """
        data = msgspec.json.encode(entry) + b"\n"
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Tail:
    """Reads a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offset = 0

    def read(self, limit: int = -1) -> list[bytes]:
        """The lines since the last call, at most `limit` bytes; one still being written waits for the next."""
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(limit)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return whole.splitlines()


class JournalReader:
    """The runner's end: gives each entry once."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)

    def read(self) -> list[Entry]:
        """The entries since the last call."""
        return [_decode(line) for line in self._tail.read()]
