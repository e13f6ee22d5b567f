"""The records of a delimited file, each with the line it begins on."""

import csv
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from forecastle.data.errors import BadTable
from forecastle.data.quotes import LINE_ENDS, broken_quote

#: The line on which it begins, and its fields.
Record = tuple[int, list[str]]


def read_records(lines: Iterable[str], delimiter: str, label: str, *, strict: bool = False) -> Iterator[Record]:
    """The records of `lines`; blank lines are none.

    Raises:
        BadTable: a quote is never closed, or in another line before more text; a field is too long; when `strict` also
            a quote that is closed in its own line before more text.
    """
    current: list[str] = []
    reader = csv.reader(_kept(lines, current), delimiter=delimiter, skipinitialspace=True)
    line = 1
    try:
        for record in reader:
            if record:
                if strict or _may_be_broken(record, current):
                    _check_quotes(label, line, current, delimiter, strict=strict)
                yield line, record
            line = reader.line_num + 1
            current.clear()
    except csv.Error as error:
        raise _too_long(label, line, current, delimiter) from error


def _kept(lines: Iterable[str], current: list[str]) -> Iterator[str]:
    """The same lines; `current` has those of the record in the making."""
    for line in lines:
        current.append(line)
        yield line


def _may_be_broken(record: Sequence[str], lines: Sequence[str]) -> bool:
    """Whether a quote in it goes over the end of a line or of the file."""
    return len(lines) > 1 or record[-1].endswith(LINE_ENDS) or not lines[0].endswith(LINE_ENDS)


def _check_quotes(label: str, line: int, lines: Sequence[str], delimiter: str, *, strict: bool) -> None:
    broken = broken_quote("".join(lines), delimiter)
    if broken is None:
        return
    opened, closed = (None if place is None else line + _line_of(place, lines) for place in broken)
    if closed is None:
        raise BadTable(label, line=opened, expected="a closing quote", found="none up to the end of the file")
    if opened != closed:
        found = f"the next quote in line {closed}, with more text behind it"
        raise BadTable(label, line=opened, expected="a closing quote", found=found)
    if strict:
        raise unended_quote(label, closed)


def unended_quote(label: str, line: int) -> BadTable:
    """The error for a quote that is closed before the end of its field."""
    return BadTable(label, line=line, expected="a delimiter after the closing quote", found="more text")


def _too_long(label: str, line: int, lines: Sequence[str], delimiter: str) -> BadTable:
    limit = f"{csv.field_size_limit():,} characters"
    broken = broken_quote("".join(lines), delimiter)
    if broken is None:
        return BadTable(label, line=line, expected=f"fields of at most {limit}", found="a longer one")
    opened = line + _line_of(broken[0], lines)
    return BadTable(label, line=opened, expected="a closing quote", found=f"none within {limit}")


def _line_of(place: int, lines: Sequence[str]) -> int:
    """The index of the line in which that place of the joined lines is."""
    return int(np.searchsorted(np.cumsum([len(line) for line in lines]), place, side="right"))
