"""Why a column cannot be taken as it is: the place, what is expected there, what is found, what settles it."""

import shlex

from forecastle.data.dates import is_impossible
from forecastle.data.errors import BadTable
from forecastle.data.evidence import Evidence
from forecastle.data.fits import Found
from forecastle.data.source import Source
from forecastle.errors import clip


def at(source: Source, column: Evidence, row: int, *, expected: str, found: str, hint: str) -> BadTable:
    """The error for the value of a row, from 0."""
    return BadTable(
        source.label,
        line=source.place(row),
        column=column.name,
        expected=expected,
        found=repr(found) if found != "none" else found,
        hint=hint,
        unit=source.unit,
    )


def mixed(source: Source, column: Evidence, expected: str, place: Found | None, *, or_else: str = "") -> BadTable:
    """The error for a value among others that it is not like; `or_else` is a further way out."""
    row, value = (place.row, place.value) if place else (0, "")
    return at(source, column, row, expected=expected, found=value, hint=f"{or_else}{_way_out(column, value)}")


def undated(source: Source, column: Evidence, order: str, place: Found | None) -> BadTable:
    """The error for a value among dates of that order."""
    if place is not None and is_impossible(place.value):
        return impossible(source, column, place, hint=f"correct it, {_way_out(column, place.value)}")
    return mixed(source, column, f"a date like the others ({order})", place)


def unlike(source: Source, column: Evidence, expected: str, place: Found | None) -> BadTable:
    """The error for a column that does not tell the time."""
    row, value = (place.row, place.value) if place else (0, "no value")
    hint = "say which column tells the time with --time COLUMN, or --time none"
    return at(source, column, row, expected=expected, found=value, hint=hint)


def impossible(source: Source, column: Evidence, place: Found, *, hint: str) -> BadTable:
    """The error for the thirtieth of February."""
    expected = "a date and time that exist" if ":" in place.value else "a date that exists"
    return at(source, column, place.row, expected=expected, found=place.value, hint=hint)


def either_sign(source: Source, column: Evidence, place: Found | None, *, why: str = "") -> BadTable:
    """The error for numbers such as 1,234 that could be a thousand or one."""
    row, value = (place.row, place.value) if place else (0, "")
    mark = "comma" if "," in value else "point"
    expected = f"some number that tells whether the {mark} is a decimal sign or sets thousands apart{why}"
    hint = f"say --decimal , or --decimal ., or keep it as text with --text {quoted(column.name)}"
    return at(source, column, row, expected=expected, found=value, hint=hint)


def _way_out(column: Evidence, value: str) -> str:
    as_text = f"keep the column as text with --text {quoted(column.name)}"
    return f"{as_text}, or skip the value with --missing {quoted(value)}"


def quoted(text: str) -> str:
    """As it is typed in a shell."""
    return shlex.quote(clip(text))
