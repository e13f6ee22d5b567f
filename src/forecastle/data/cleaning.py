"""Text cells without surrounding spaces and missing markers."""

from collections.abc import Iterable

import polars as pl


def spellings(markers: Iterable[str]) -> tuple[str, ...]:
    """Each marker in the ways people write it: as given, lower case, upper case, capitalised; and NaN."""
    written = {"NaN"} if "nan" in markers else set()
    for marker in markers:
        written |= {marker, marker.lower(), marker.upper(), marker.capitalize()}
    return tuple(sorted(written))


def clean(cells: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    """`cells` (String) stripped, null where one is in `missing`."""
    stripped = cells.str.strip_chars()
    absent = stripped.is_in(list(missing))
    return stripped.set(absent, None) if absent.any() else stripped
