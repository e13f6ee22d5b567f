"""How a delimited file is written: delimiter, header, names; found from its first lines."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from forecastle.data.dates import is_clock, is_date
from forecastle.data.errors import BadTable
from forecastle.data.naming import check_names
from forecastle.data.numerals import is_number
from forecastle.data.options import MISSING_MARKERS, ImportOptions
from forecastle.data.records import Record, read_records
from forecastle.data.text import TextFile

#: In the order of trust: a comma may be a decimal sign or part of a text, a tab hardly ever.
DELIMITERS = ("\t", ";", "|", ",")
SAMPLE_RECORDS = 200
BOOLEANS = frozenset({"true", "false"})

_NAME_THEM = "name the columns with --columns a,b,c"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is needed to read the rows."""

    delimiter: str
    names: tuple[str, ...]
    """Raw names, unique; a column whose header cell is empty is called `column_N`."""
    unnamed: frozenset[str]
    """Those whose header cell is empty."""
    has_header: bool
    head_bytes: int
    """UTF-8 bytes before the first row: the header, or none."""
    padded: bool
    """Whether quotes may follow spaces after a delimiter."""


def find_dialect(file: TextFile, options: ImportOptions) -> Dialect:
    """Decide from the first lines and what the options say.

    Raises:
        BadTable: no rows, or names that do not fit them.
    """
    sample = file.sample()
    delimiter = options.delimiter or _find_delimiter(sample)
    records = _first_records(file, sample, delimiter)
    (line, header), rows = records[0], records[1:]
    has_header = options.header if options.header is not None else looks_like_header(header, [row for _, row in rows])
    if has_header and not rows:
        raise BadTable(file.label, line=line, expected="rows after the header", found="header only")
    first = rows[0] if has_header else records[0]
    if len(first[1]) != (len(options.columns) or len(header)):
        _read_two(file, delimiter, strict=True)  # a quote may be to blame
    names = (
        _given_names(file, options, first)
        if options.columns
        else _own_names(file, records[0], first, has_header=has_header)
    )
    return Dialect(
        delimiter=delimiter,
        names=tuple(name or _numbered(i) for i, name in enumerate(names, 1)),
        unnamed=frozenset(_numbered(i) for i, name in enumerate(names, 1) if not name and has_header),
        has_header=has_header,
        head_bytes=_head_bytes(sample, delimiter) if has_header else 0,
        padded=re.search(rf'(^|{re.escape(delimiter)}) +"', sample, re.MULTILINE) is not None,
    )


def looks_like_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns rather than being a row."""
    cells = [cell.strip() for cell in first]
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(cells))]
    if not any(cells) or any(map(_belongs_to_rows, cells, columns)):
        return False
    if any(cell and _is_value(cell) for column in columns for cell in column[:20]):
        return True
    return not any(cell and cell in column for cell, column in zip(cells, columns, strict=True))


def _belongs_to_rows(cell: str, column: Sequence[str]) -> bool:
    """Whether a cell of the first record is a value; `True` may as well name a column of anything but booleans."""
    if cell.lower() in BOOLEANS and column:
        return any(below.lower() in BOOLEANS for below in column)
    return bool(cell) and _is_value(cell)


def _is_value(cell: str) -> bool:
    return is_number(cell) or cell.lower() in MISSING_MARKERS | BOOLEANS or is_date(cell) or is_clock(cell)


def _first_records(file: TextFile, sample: str, delimiter: str) -> list[Record]:
    """At least the first two, if the file has them, from beyond the sample if need be."""
    records, _ = _sound_records(sample, delimiter)
    if len(records) < 2:
        records = _read_two(file, delimiter)
    if not records:
        raise BadTable(file.label, expected="a table", found="blank lines only")
    return records


def _read_two(file: TextFile, delimiter: str, *, strict: bool = False) -> list[Record]:
    with file.lines() as lines:
        return list(islice(read_records(lines, delimiter, file.label, strict=strict), 2))


def _sound_records(sample: str, delimiter: str, *, strict: bool = False) -> tuple[list[Record], bool]:
    """The records up to the first that is broken, as the last may be, and whether there was one."""
    records: list[Record] = []
    try:
        for record in islice(read_records(_lines(sample), delimiter, label="", strict=strict), SAMPLE_RECORDS):
            records.append(record)  # noqa: PERF402 - those before an error are kept
    except BadTable:
        return records, True
    return records, False


def _lines(text: str) -> Iterable[str]:
    return io.StringIO(text, newline="")


def _find_delimiter(sample: str) -> str:
    scores = {delimiter: _consistency(sample, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: scores[delimiter])  # the first of equals
    return best if scores[best] > 0 else ","


def _consistency(sample: str, delimiter: str) -> float:
    """Share of the records that have the commonest number of fields, 0 when that is one."""
    records, broken = _sound_records(sample, delimiter, strict=True)
    widths = Counter(len(record) for _, record in records)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    return count / (widths.total() + broken) if width > 1 else 0.0


def _given_names(file: TextFile, options: ImportOptions, first: Record) -> list[str]:
    names = [name.strip() for name in options.columns]
    line, row = first
    if len(names) != len(row):
        raise BadTable(
            file.label,
            line=line,
            expected=f"{len(names)} fields, one for each name given",
            found=f"{len(row)}",
            hint=f"the line is: {'|'.join(row)[:80]}",
        )
    if not all(names):
        raise BadTable(file.label, expected="a name for every column", found=",".join(names))
    check_names(file.label, names, hint=_NAME_THEM)
    return names


def _own_names(file: TextFile, start: Record, first: Record, *, has_header: bool) -> list[str]:
    header_line, header = start
    if not has_header:
        return [""] * len(header)
    line, row = first
    if len(row) != len(header):
        raise wrong_width(file.label, line, len(header), len(row))
    names = [" ".join(name.split()) for name in header]
    check_names(
        file.label, [name or _numbered(i) for i, name in enumerate(names, 1)], line=header_line, hint=_NAME_THEM
    )
    return names


def _numbered(position: int) -> str:
    return f"column_{position}"


def wrong_width(label: str, line: int, expected: int, found: int) -> BadTable:
    """The error for a row that is wider or narrower than the header."""
    hint = f"{_NAME_THEM}; the names replace the header line" if line <= 2 else ""
    return BadTable(label, line=line, expected=f"{expected} fields", found=str(found), hint=hint)


def _head_bytes(sample: str, delimiter: str) -> int:
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in _lines(sample):
            consumed += len(line.encode())
            yield line

    next(read_records(lines(), delimiter, label=""))
    return consumed
