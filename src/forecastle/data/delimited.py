"""CSV and its relatives, block by block."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, ClassVar, Literal, cast

import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from forecastle.data.dialect import Dialect, wrong_width
from forecastle.data.errors import BadTable
from forecastle.data.quotes import QuoteCensus, broken_quote
from forecastle.data.records import Record, read_records, unended_quote
from forecastle.data.source import BLOCK_BYTES, Advance
from forecastle.data.text import TextFile

BLOCK_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class DelimitedSource:
    """A delimited file; every column is text."""

    unit: ClassVar[str] = "line"
    file: TextFile
    dialect: Dialect

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
        """Columns whose header cell is empty."""
        return self.dialect.unnamed

    @property
    def delimiter(self) -> str:
        """One character."""
        return self.dialect.delimiter

    def blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        """The rows as String columns, empty fields as empty text.

        Raises:
            BadTable: a row with too many or too few fields, an unclosed quote, a wrong encoding.
        """
        return self._padded_blocks(advance) if self.dialect.padded else self._plain_blocks(advance)

    def place(self, row: int) -> int:
        """The line where `row` begins; reads the file up to it."""
        with self._records() as records:
            return next((line for line, _ in islice(records, row, None)), 0)

    def _plain_blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        refused: list[arrow_csv.InvalidRow] = []
        quotes = QuoteCensus(self.dialect.delimiter)
        with self.file.utf8(skip=self.dialect.head_bytes, progress=advance, watch=quotes.add) as reader:
            try:
                yield from map(_frame, arrow_csv.open_csv(cast("IO[bytes]", reader), **self._arrow_options(refused)))
            except pa.ArrowInvalid as error:
                raise self._explain(refused[0] if refused else None, error) from error
            if quotes.odd or quotes.uneven:
                self._check_quotes(strict=quotes.odd)

    def _arrow_options(self, refused: list[arrow_csv.InvalidRow]) -> dict[str, Any]:
        names = list(self.dialect.names)

        def refuse(row: arrow_csv.InvalidRow) -> Literal["skip", "error"]:
            refused.append(row)  # Arrow would swallow what is raised here
            return "error"

        return {
            # Rows are numbered only when one thread parses.
            "read_options": arrow_csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.dialect.delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                strings_can_be_null=False,
                check_utf8=False,  # the reader has checked it
            ),
        }

    def _padded_blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        """Slower; Arrow takes a quote after a space for a part of the value."""
        names, done = self.dialect.names, 0
        with self._records() as records:
            while block := list(islice(records, BLOCK_RECORDS)):
                for line, fields in block:
                    if len(fields) != len(names):
                        raise wrong_width(self.label, line, len(names), len(fields))
                done += sum(len(field) + 1 for _, fields in block for field in fields)
                advance(min(done, self.size))
                columns = zip(*(fields for _, fields in block), strict=True)
                yield pl.DataFrame(dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String))

    @contextmanager
    def _records(self, *, strict: bool = False) -> Iterator[Iterator[Record]]:
        """The rows with their lines, without the header."""
        with self.file.lines() as lines:
            records = read_records(lines, self.dialect.delimiter, self.label, strict=strict)
            yield islice(records, int(self.dialect.has_header), None)

    def _explain(self, row: arrow_csv.InvalidRow | None, error: pa.ArrowInvalid) -> BadTable:
        if row is None:
            self._check_quotes(strict=True)
            return BadTable(self.label, expected=f"rows shorter than {BLOCK_BYTES:,} bytes", found=str(error))
        number = row.number or 1
        if '"' in row.text:
            self._check_quotes(strict=False, rows=number)
        line = self.place(number - 1)
        if broken_quote(row.text, self.dialect.delimiter) is not None:
            return unended_quote(self.label, line)
        return wrong_width(self.label, line, row.expected_columns, row.actual_columns)

    def _check_quotes(self, *, strict: bool, rows: int | None = None) -> None:
        with self._records(strict=strict) as records:
            deque(islice(records, rows), maxlen=0)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    if isinstance(frame, pl.Series):
        raise TypeError("a record batch is a frame")
    return frame
