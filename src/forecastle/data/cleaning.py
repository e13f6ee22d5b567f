"""Text cells without surrounding spaces and missing markers."""

from collections.abc import Iterable

import polars as pl
from polars import selectors


def spellings(markers: Iterable[str]) -> tuple[str, ...]:
    """Each marker in the ways people write it: as given, lower case, upper case, capitalised; and NaN."""
    written = {"NaN"} if "nan" in markers else set()
    for marker in markers:
        written |= {marker, marker.lower(), marker.upper(), marker.capitalize()}
    return tuple(sorted(written))


def clean(block: pl.DataFrame, missing: tuple[str, ...]) -> pl.DataFrame:
    """`block` with its texts stripped, null where one is in `missing`."""
    texts = selectors.string()
    stripped = block.with_columns(texts.str.strip_chars())
    markers = pl.Series(missing, dtype=pl.String).implode()
    absent = stripped.select(texts.is_in(markers).any())
    marked = [name for name, some in zip(absent.columns, absent.rows()[0], strict=True) if some] if absent.width else []
    if not marked:
        return stripped
    chosen = selectors.by_name(*marked)
    return stripped.with_columns(pl.when(~chosen.is_in(markers)).then(chosen))
