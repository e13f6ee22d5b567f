"""JSON lines: one object a line, fields by name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import msgspec
import polars as pl

from forecastle.data.errors import BadTable
from forecastle.data.naming import check_names
from forecastle.data.source import Advance
from forecastle.data.text import TextFile, Utf8Reader

BLOCK_RECORDS = 20_000
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JsonLinesSource:
    """A JSON lines file; every field is text, so that the same rules as for CSV decide what it is."""

    unit: ClassVar[str] = "line"
    file: TextFile

    @property
    def label(self) -> str:
        """What to call the file in messages."""
        return self.file.label

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.file.size

    @property
    def unnamed(self) -> frozenset[str]:
        """None: fields have names."""
        return frozenset()

    @property
    def delimiter(self) -> None:
        """None."""
        return

    def blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        """The rows; a block has the fields that occur in it.

        Raises:
            BadTable: a line is no JSON object, a name cannot be used, or a field holds a list or an object.
        """
        done = 0
        known: set[str] = set()
        with self._records() as records:
            while block := list(islice(records, BLOCK_RECORDS)):
                rows = [self._row(line, text) for line, text in block]
                done += sum(len(text) for _, text in block)
                advance(min(done, self.size))
                names = dict.fromkeys(name for row in rows for name in row)
                for name in names.keys() - known:
                    line = next(line for (line, _), row in zip(block, rows, strict=True) if name in row)
                    check_names(self.label, [name], line=line)
                known |= names.keys()
                yield pl.DataFrame({name: [row.get(name) for row in rows] for name in names}, _strings(names))

    def place(self, row: int) -> int:
        """The line of `row`; reads the file up to it."""
        with self._records() as records:
            return next(line for line, _ in islice(records, row, None))

    @contextmanager
    def _records(self) -> Iterator[Iterator[tuple[int, bytes]]]:
        """The lines that are not blank, with their numbers."""
        with self.file.utf8() as reader:
            yield ((number, line) for number, line in enumerate(_lines(reader), 1) if line.strip())

    def _row(self, line: int, text: bytes) -> dict[str, str | None]:
        try:
            fields = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadTable(self.label, line=line, expected="one JSON object", found=text.decode()) from error
        if not fields:
            raise BadTable(self.label, line=line, expected="an object with fields", found="{}")
        return {name: self._text(line, name, value) for name, value in fields.items()}

    def _text(self, line: int, name: str, value: object) -> str | None:
        match value:
            case str() if "\0" in value:
                raise BadTable(self.label, line=line, column=name, expected="text", found="a NUL character")
            case None | str():
                return value
            case bool():
                return str(value).lower()
            case int() | float():
                return repr(value)
            case _:
                kind = "a list" if isinstance(value, list) else "an object"
                expected = "a number, text, true, false or null"
                raise BadTable(self.label, line=line, column=name, expected=expected, found=kind)


def _strings(names: Iterable[str]) -> dict[str, pl.DataType]:
    return dict.fromkeys(names, pl.String())


def _lines(reader: Utf8Reader) -> Iterator[bytes]:
    rest = b""
    while data := reader.read(CHUNK_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    yield rest
