"""Which decimal sign the numbers of each column have, where they are not written as computers do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from forecastle.data import refusals
from forecastle.data.evidence import Evidence
from forecastle.data.fits import Found
from forecastle.data.numerals import PATTERNS, Reading, Sign
from forecastle.data.options import ImportOptions
from forecastle.data.source import Source
from forecastle.errors import clip


@dataclass(frozen=True, slots=True)
class Notation:
    """How the numbers of a column are written."""

    sign: Sign | None = None
    """The decimal sign with which all values are numbers; None leaves them to the plain rules."""
    note: str | None = None
    """What people should know of it."""


@dataclass(frozen=True, slots=True)
class _File:
    """What decides for its columns."""

    source: Source
    said: Sign | None
    shown: frozenset[Sign]
    """Signs that columns show which leave no choice."""
    grouped: bool
    """Some set thousands apart with a point."""

    @property
    def commas(self) -> bool:
        """A comma may be a decimal sign: it was said to be, or it does not separate fields."""
        return self.said == "," or (self.said is None and self.source.delimiter != ",")


def find_notations(source: Source, columns: Iterable[Evidence], options: ImportOptions) -> dict[str, Notation]:
    """Decide for each of `columns`, none of which is to be text anyway.

    What all values of a column show counts. What they leave open is as was said, or else as in the other columns, for
    a file has one author. In a file without delimiter, numbers are no texts and nothing is decided.

    Raises:
        BadTable: a column mixes signs, or numbers and other texts, or its sign stays open.
    """
    columns = list(columns)
    if source.delimiter is None:
        return {column.name: _untouched(column) for column in columns}
    shown = {column.name: _shown(column) for column in columns}
    file = _File(
        source,
        said=None if options.decimal == "auto" else options.decimal,
        shown=frozenset(sign for sign in PATTERNS if sign in shown.values()),
        grouped=any(column.readings[","].grouped for column in columns if shown[column.name] == ","),
    )
    return {column.name: _of_words(file, column) if column.words else _of_numbers(file, column) for column in columns}


def _shown(column: Evidence) -> Literal[",", ".", "either"] | None:
    """The sign that all values show."""
    comma, point = column.readings[","], column.readings["."]
    if not column.words:
        return "." if column.pointed else None
    if comma.complete and point.complete:
        return ("." if column.pointed else "either") if comma.signed else None
    return "," if comma.complete else "." if point.complete else None


def _of_numbers(file: _File, column: Evidence) -> Notation:
    """Of a column of plain numbers, whose points may set thousands apart where commas are decimal signs."""
    if file.said == "," and column.pointed:
        return Notation(note=f"numbers with a decimal point, such as {_example(column.pointed)}")
    if column.thousands is None or column.pointed:
        return Notation()
    if file.said == "," or (file.commas and file.shown == {","} and file.grouped):
        return Notation(",", f"numbers with thousands apart, such as {_example(column.thousands)}")
    if file.commas and "," in file.shown:
        why = ", as commas are decimal signs in other columns"
        raise refusals.either_sign(file.source, column, column.thousands, why=why)
    return Notation()


def _of_words(file: _File, column: Evidence) -> Notation:
    shown = _shown(column)
    sign = _settled(file, column) if shown == "either" else shown
    if sign == "," and file.commas:
        return _with_comma(file, column)
    if sign == ".":
        return Notation(".", f"numbers with thousands apart, such as {_example(column.readings['.'].example)}")
    return _text(file, column)


def _settled(file: _File, column: Evidence) -> Sign:
    if file.said is not None:
        return file.said
    if len(file.shown) == 1:
        return next(iter(file.shown))
    if not file.shown and not file.commas:
        return "."
    raise refusals.either_sign(file.source, column, column.first_word)


def _with_comma(file: _File, column: Evidence) -> Notation:
    reading = column.readings[","]
    if column.pointed:
        expected = f"a number with a decimal comma, such as {_example(reading.example)}"
        raise refusals.mixed(file.source, column, expected, column.pointed)
    if column.thousands and not file.grouped and file.said is None:
        raise refusals.either_sign(file.source, column, column.thousands)
    manner = "a decimal comma" if reading.signed else "thousands apart"
    return Notation(",", f"numbers with {manner}, such as {_example(reading.example)}")


def _text(file: _File, column: Evidence) -> Notation:
    """Of a column that is no numbers, though its words may look like some."""
    reading = _best(column)
    if reading is None:
        return Notation()
    example = _example(reading.example)
    if not reading.misses and not (reading.signed or reading.grouped):
        if file.said:
            return Notation(file.said, f"numbers with thousands apart, such as {example}")
        return Notation(note=f"text: values such as {example} are numbers if you say --decimal . or --decimal ,")
    if not reading.misses:
        if column.numbers > column.words:
            or_else = "say --decimal , if a comma is its decimal sign, or "
            raise refusals.mixed(file.source, column, "a number", column.first_word, or_else=or_else)
        return Notation(note=f"text: values such as {example} are numbers if you say --decimal ,")
    may_be_meant = reading.sign == "." or file.commas
    if may_be_meant and (reading.signed or reading.grouped) and column.numbers + reading.fits > reading.misses:
        raise refusals.mixed(file.source, column, f"a number like the others ({example})", reading.first_miss)
    return Notation(
        note=f"text: many values look like numbers, such as {example}, but not {_example(reading.first_miss)}"
    )


def _untouched(column: Evidence) -> Notation:
    reading = _best(column)
    if reading is None:
        return Notation()
    return Notation(note=f"text: values such as {_example(reading.example)} are numbers in delimited files only")


def _best(column: Evidence) -> Reading | None:
    """The reading that fits most words, if it fits at least half."""
    reading = max(column.readings.values(), key=lambda reading: reading.fits)
    return reading if reading.fits and reading.alive else None


def _example(place: Found | None) -> str:
    return clip(place.value) if place else ""
