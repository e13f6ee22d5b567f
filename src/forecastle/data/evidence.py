"""What the values of a column, read block by block, say about its kind."""

import math
from dataclasses import dataclass, field

import polars as pl

from forecastle.data.dates import CLOCK, ORDERS, SHAPES, parse_clock, parse_dates
from forecastle.data.fits import Fit, Found, matched
from forecastle.data.numerals import PATTERNS, THOUSANDS, Reading, Sign, may_be_thousands

FIRST_VALUES = 20

_LOGICAL = ["true", "false"]


@dataclass(slots=True)
class Evidence:
    """Counts and first examples for one column; `add` takes its blocks in order, cleaned.

    A *number* is a value that reads as one, a *word* any other text.
    """

    name: str
    date_format: str | None = None
    commas: bool = False
    """A comma may be the decimal sign, and a point set thousands apart."""
    dtype: pl.DataType | None = None
    """Type in the file, unless it is text."""
    rows: int = 0
    missing: int = 0
    first_missing: int | None = None
    numbers: int = 0
    first_number: Found | None = None
    whole: bool = True
    """All numbers are integers of 64 bits."""
    low: float = float("inf")
    high: float = float("-inf")
    infinite: Found | None = None
    pointed: Found | None = None
    """A number whose point is a decimal sign, where a comma may be one …"""
    thousands: Found | None = None
    """… and one whose point may set thousands apart."""
    counting: bool = True
    """Numbers count up by one, or start again, as row numbers do."""
    words: int = 0
    first_word: Found | None = None
    logical: bool = True
    """All words are true or false."""
    fits: dict[str, Fit] = field(default_factory=dict)
    readings: dict[Sign, Reading] = field(default_factory=dict)
    """How the words are as numbers, by decimal sign."""
    swappable: bool = True
    """Wherever the words fit D/M/Y they also fit M/D/Y …"""
    swap_matters: Found | None = None
    """… and here it makes a difference."""
    _first_count: int | None = None
    _last_count: int | None = None

    def __post_init__(self) -> None:
        given = [self.date_format] if self.date_format else []
        self.fits = {order: Fit() for order in (*given, *ORDERS, CLOCK)}
        self.readings = {sign: Reading(sign=sign) for sign in PATTERNS}

    @property
    def values(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @property
    def first_value(self) -> Found | None:
        """A value of it."""
        return self.first_word or self.first_number

    @property
    def is_clock(self) -> bool:
        """All values are times of day."""
        return self.words > 0 and not self.numbers and not self.fits[CLOCK].misses

    def orders(self) -> list[str]:
        """The ways to read dates that fit all values."""
        if not self.words or self.numbers:
            return []
        return [order for order, fit in self.fits.items() if order != CLOCK and not fit.misses]

    def nearest(self) -> tuple[str, Fit]:
        """The way to read dates that fits most words."""
        dates = [(order, fit) for order, fit in self.fits.items() if order != CLOCK]
        return max(dates, key=lambda item: item[1].fits)

    def add_missing(self, rows: int) -> None:
        """Count rows without this column."""
        if rows and self.first_missing is None:
            self.first_missing = self.rows
        self.rows += rows
        self.missing += rows

    def add(self, cells: pl.Series) -> None:
        """Count a block."""
        if cells.dtype == pl.String:
            self._add_texts(cells)
        elif cells.dtype != pl.Null:
            self.dtype = cells.dtype
            self._add_typed(cells)
        missing = cells.null_count()
        if missing and self.first_missing is None:
            self.first_missing = self.rows + (cells.is_null().arg_max() or 0)
        self.missing += missing
        self.rows += len(cells)

    def _add_texts(self, texts: pl.Series) -> None:
        numbers = texts.cast(pl.Float64, strict=False)
        if numbers.null_count() < len(numbers):
            self._add_numbers(texts, numbers)
        if numbers.null_count() > texts.null_count():
            self._add_words(texts, numbers.is_null() & texts.is_not_null())

    def _add_numbers(self, texts: pl.Series, numbers: pl.Series) -> None:
        if self.first_number is None:
            self.first_number = self._find(texts, numbers.is_not_null()) if numbers.null_count() else self._at(texts, 0)
        self.numbers += len(numbers) - numbers.null_count()
        self._note_range(texts, numbers)
        if self.whole:
            integers = texts.cast(pl.Int64, strict=False)
            self.whole = integers.null_count() == numbers.null_count()
            self._note_counting(integers)
        if self.commas and not self.whole and self.pointed is None:
            self._note_points(texts, numbers)

    def _note_points(self, texts: pl.Series, numbers: pl.Series) -> None:
        """The first few tell, unless all have three decimals."""
        for index, number in enumerate(numbers.head(FIRST_VALUES)):
            text = texts[index]
            if number is not None and "." in text and not may_be_thousands(text):
                self.pointed = self._at(texts, index)
                return
        is_pointed = numbers.is_not_null() & texts.str.contains(".", literal=True)
        is_open = is_pointed & texts.str.contains(THOUSANDS)
        if self.thousands is None and is_open.any():
            self.thousands = self._find(texts, is_open)
        if (is_clear := is_pointed & ~is_open).any():
            self.pointed = self._find(texts, is_clear)

    def _note_range(self, cells: pl.Series, numbers: pl.Series) -> None:
        low, high = numbers.min(), numbers.max()
        if isinstance(low, int | float) and isinstance(high, int | float):
            self.low, self.high = min(self.low, low), max(self.high, high)
        # The sum is cheap, and finite only if all numbers are.
        if self.infinite is None and numbers.dtype.is_float() and not math.isfinite(numbers.sum()):
            strange = ~numbers.is_finite()
            self.infinite = self._find(cells, strange) if strange.any() else None

    def _note_counting(self, integers: pl.Series) -> None:
        if not self.counting or integers.null_count():
            self.counting = False
            return
        first = self._first_count if self._first_count is not None else int(integers[0])
        self.counting = first in {0, 1}
        if self.counting:
            last = self._last_count if self._last_count is not None else first - 1
            steps = integers - integers.shift(1, fill_value=last)
            self.counting = bool(((steps == 1) | (integers == first)).all())
        self._first_count, self._last_count = first, int(integers[-1])

    def _add_words(self, texts: pl.Series, is_word: pl.Series) -> None:
        if self.first_word is None:
            self.first_word = self._find(texts, is_word)
            self.logical = self.first_word.value.lower() in _LOGICAL
        self.words += int(is_word.sum())
        orders = [order for order, fit in self.fits.items() if fit.alive]
        signs = [sign for sign, reading in self.readings.items() if reading.alive]
        if not (self.logical or orders or signs):
            return
        words = texts.filter(is_word)
        distinct = words.unique(maintain_order=True)
        self.logical = self.logical and bool(distinct.str.to_lowercase().is_in(_LOGICAL).all())
        patterns = {order: SHAPES[order] for order in orders if order in SHAPES} | {s: PATTERNS[s] for s in signs}
        possible = matched(distinct, patterns) | {order for order in orders if order not in SHAPES}
        parsed = {order: self._try(order, texts, distinct, possible=order in possible) for order in orders}
        if self.swappable:
            self._note_swap(texts, distinct, parsed.get("D/M/Y"), parsed.get("M/D/Y"))
        for sign in signs:
            self._read(sign, texts, words, possible=sign in possible)

    def _read(self, sign: Sign, texts: pl.Series, words: pl.Series, *, possible: bool) -> None:
        if possible:
            self.readings[sign].add(words, lambda value: self._find_value(texts, value))
        else:
            self.readings[sign].miss(len(words), self._find_value(texts, words[0]))

    def _try(self, order: str, texts: pl.Series, words: pl.Series, *, possible: bool) -> pl.Series | None:
        """The words as dates of that order, or times of day, if all of them are so far."""
        fit = self.fits[order]
        if not possible:
            fit.miss(len(words), self._find_value(texts, words[0]))
            return None
        parsed = parse_clock(words) if order == CLOCK else parse_dates(words, order)
        misses = parsed.null_count()
        if misses:
            fit.miss(misses, fit.first_miss or self._find_value(texts, words[parsed.is_null().arg_max() or 0]))
        fit.fits += len(words) - misses
        return parsed if not fit.misses else None

    def _note_swap(
        self, texts: pl.Series, words: pl.Series, days_first: pl.Series | None, months_first: pl.Series | None
    ) -> None:
        if days_first is None or months_first is None:
            self.swappable = False
        elif self.swap_matters is None and (differs := days_first != months_first).any():
            self.swap_matters = self._find_value(texts, words[differs.arg_max() or 0])

    def _add_typed(self, cells: pl.Series) -> None:
        if cells.dtype.is_numeric():
            self.whole = cells.dtype.is_integer()
            self.numbers += len(cells) - cells.null_count()
            self._note_range(cells, cells)
            if self.whole:
                self._note_counting(cells)

    def _find_value(self, texts: pl.Series, value: str) -> Found:
        known = self.first_word
        return known if known is not None and known.value == value else self._find(texts, texts == value)

    def _find(self, cells: pl.Series, mask: pl.Series) -> Found:
        return self._at(cells, mask.fill_null(value=False).arg_max() or 0)

    def _at(self, cells: pl.Series, index: int) -> Found:
        return Found(self.rows + index, str(cells[index]))
