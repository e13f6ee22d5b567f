"""What a checking process is told, and what it says: one JSON message a line."""

from typing import TypeAlias

import msgspec

from forecastle.errors import FieldProblem
from forecastle.uploads.describing import Findings


class Order(msgspec.Struct, frozen=True):
    """What to check, and within which limits."""

    file: str
    """A path."""
    adapted: str
    """Where to write the graph that can be served."""
    document: str
    """JSON, as Python writes it: numbers of any size, and halves of surrogate pairs."""
    parent: int
    memory_bytes: int
    cpu_s: int
    file_bytes: int
    most_rows: int
    run_s: float


class Doing(msgspec.Struct, frozen=True, tag="doing"):
    """What the process works on from now on."""

    what: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The file does not pass."""

    problems: tuple[FieldProblem, ...]


class Passed(msgspec.Struct, frozen=True, tag="passed"):
    """The file passes, and its graph that can be served is written."""

    findings: Findings


Message: TypeAlias = Doing | Refused | Passed
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode
