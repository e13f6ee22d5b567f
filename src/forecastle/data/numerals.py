"""Numbers as people write them: with a decimal comma or point, their thousands apart or not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from forecastle.data.fits import Fit, Found

Sign = Literal[",", "."]
"""What stands before the decimals."""

_OTHER: dict[Sign, Sign] = {",": ".", ".": ","}
_BLANKS = " \u00a0\u202f'\u2019"
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity)", re.IGNORECASE)
#: A number whose point may as well set thousands apart: 1.234, but not 0.123 or 1.5.
THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"


def _pattern(sign: Sign) -> str:
    apart = "|".join(f"(?:[{mark}][0-9]{{3}})+" for mark in (_OTHER[sign], *_BLANKS))
    whole = f"(?:[1-9][0-9]{{0,2}}(?:{apart})|[0-9]+)"
    return f"^[+-]?(?:{whole}(?:[{sign}][0-9]+)?|[{sign}][0-9]+)(?:[eE][+-]?[0-9]+)?$"


#: Numbers with that decimal sign; without one they are whole. Thousands are apart throughout or not at all.
PATTERNS: dict[Sign, str] = {",": _pattern(","), ".": _pattern(".")}


def is_number(text: str) -> bool:
    """Whether `text` is a number, whatever its decimal sign."""
    return _PLAIN.fullmatch(text) is not None or any(re.match(pattern, text) for pattern in PATTERNS.values())


def may_be_thousands(text: str) -> bool:
    """Whether the point of a number may as well set thousands apart."""
    return re.match(THOUSANDS, text) is not None


def plain(texts: pl.Series, sign: Sign) -> pl.Series:
    """The numbers among `texts` (String) as computers write them; null for other texts.

    Args:
        texts: numbers with that decimal sign, or anything.
        sign: what stands before the decimals.
    """
    numbers = texts.to_frame().select(pl.when(pl.first().str.contains(PATTERNS[sign])).then(pl.first())).to_series()
    apart = f"[{_OTHER[sign]}{_BLANKS}]"
    if numbers.str.contains(apart).any():
        numbers = numbers.str.replace_all(apart, "")
    return numbers.str.replace(",", ".", literal=True) if sign == "," else numbers


@dataclass(slots=True)
class Reading(Fit):
    """What the texts of a column are as numbers with one decimal sign; `fits` and `misses` count rows."""

    sign: Sign = "."
    example: Found | None = None
    """The first that fits."""
    signed: bool = False
    """Some have decimals."""
    grouped: bool = False
    """Some have the other sign, between thousands."""
    whole: bool = True
    """All are integers of 64 bits."""
    infinite: Found | None = None

    def add(self, texts: pl.Series, locate: Callable[[str], Found]) -> None:
        """Count a block, without missing values; `locate` tells the place of one."""
        numbers = plain(texts, self.sign)
        absent = numbers.null_count()
        if absent:
            self.miss(absent, locate(texts.filter(numbers.is_null())[0]))
        if absent == len(texts):
            return
        fitting = texts.filter(numbers.is_not_null())
        self.fits += len(fitting)
        self.example = self.example or locate(fitting[0])
        self.signed = self.signed or bool(fitting.str.contains(self.sign, literal=True).any())
        self.grouped = self.grouped or bool(fitting.str.contains(_OTHER[self.sign], literal=True).any())
        self.whole = self.whole and numbers.cast(pl.Int64, strict=False).null_count() == absent
        strange = numbers.cast(pl.Float64, strict=False).is_infinite()
        if self.infinite is None and strange.any():
            self.infinite = locate(texts.filter(strange)[0])
