"""What every file format offers: blocks of rows, twice if asked, and the place of a row in the file."""

from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

import polars as pl

#: Told how many bytes of the file have been read so far.
Advance = Callable[[int], None]

BLOCK_BYTES = 4 * 1024 * 1024


class Source(Protocol):
    """A file that is read block by block, so that memory does not grow with it."""

    unit: ClassVar[str]
    """What a place in the file is counted in: `line` or `row`."""

    @property
    def label(self) -> str:
        """What to call the file in messages."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    @property
    def unnamed(self) -> frozenset[str]:
        """Columns that have no name in the file; they go by `column_N`."""

    @property
    def delimiter(self) -> str | None:
        """What stands between the fields of a line, when anything does; else numbers are no texts."""

    def blocks(self, advance: Advance) -> Iterator[pl.DataFrame]:
        """The rows in file order: text as String, what has a type in the file with that type."""

    def place(self, row: int) -> int:
        """The line (or row) of the file, from 1, where row `row`, from 0, begins."""
