"""What the values of a column, read block by block, say about its kind."""

import math
from dataclasses import dataclass, field

import polars as pl

from forecastle.data.dates import CLOCK, ORDERS, parse_clock, parse_dates, shaped

_LOGICAL = ["true", "false"]


@dataclass(frozen=True, slots=True)
class Found:
    """A value and its row, from 0."""

    row: int
    value: str


@dataclass(slots=True)
class Fit:
    """How well one way to read dates or times of day fits the words of a column."""

    fits: int = 0
    misses: int = 0
    first_miss: Found | None = None

    @property
    def alive(self) -> bool:
        """It may still be what is meant."""
        return self.misses <= self.fits


@dataclass(slots=True)
class Evidence:
    """Counts and first examples for one column; `add` takes its blocks in order, cleaned.

    A *number* is a value that reads as one, a *word* any other text.
    """

    name: str
    date_format: str | None = None
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
    counting: bool = True
    """Numbers count up by one, or start again, as row numbers do."""
    words: int = 0
    first_word: Found | None = None
    logical: bool = True
    """All words are true or false."""
    fits: dict[str, Fit] = field(default_factory=dict)
    swappable: bool = True
    """Wherever the words fit D/M/Y they also fit M/D/Y …"""
    swap_matters: Found | None = None
    """… and here it makes a difference."""
    _first_count: int | None = None
    _last_count: int | None = None

    def __post_init__(self) -> None:
        given = [self.date_format] if self.date_format else []
        self.fits = {order: Fit() for order in (*given, *ORDERS, CLOCK)}

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
        words = texts.filter(is_word).unique(maintain_order=True)
        self.logical = self.logical and bool(words.str.to_lowercase().is_in(_LOGICAL).all())
        self._try_dates(texts, words)

    def _try_dates(self, texts: pl.Series, words: pl.Series) -> None:
        alive = [order for order, fit in self.fits.items() if fit.alive]
        possible = shaped(words, alive) if alive else set()
        parsed = {order: self._try(order, texts, words, possible=order in possible) for order in alive}
        if self.swappable:
            self._note_swap(texts, words, parsed.get("D/M/Y"), parsed.get("M/D/Y"))

    def _try(self, order: str, texts: pl.Series, words: pl.Series, *, possible: bool) -> pl.Series | None:
        """The words as dates of that order, or times of day, if all of them are so far."""
        fit = self.fits[order]
        if not possible:
            fit.first_miss = fit.first_miss or self._find_value(texts, words[0])
            fit.misses += len(words)
            return None
        parsed = parse_clock(words) if order == CLOCK else parse_dates(words, order)
        misses = parsed.null_count()
        if misses and fit.first_miss is None:
            fit.first_miss = self._find_value(texts, words[parsed.is_null().arg_max() or 0])
        fit.misses += misses
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
