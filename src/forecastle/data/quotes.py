"""Quotes in a delimited file: which one is broken, and whether it is worth while to look."""

import re

import numpy as np

LINE_ENDS = ("\n", "\r")

_QUOTE = b'"'
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_SPACES = re.compile(" *")


def broken_quote(record: str, delimiter: str) -> tuple[int, int | None] | None:
    """Where the first quote opens that is not closed at the end of its field, and where it is closed, if anywhere.

    Args:
        record: its text, quoted line ends included.
        delimiter: one character.
    """
    unquoted = re.compile(f"[^{re.escape(delimiter)}\r\n]*")
    field_ends = (delimiter, *LINE_ENDS)
    place = 0
    while place < len(record) and record[place] not in LINE_ENDS:
        place = _end(_SPACES, record, place)
        if record.startswith('"', place):
            quoted = _QUOTED.match(record, place)
            if quoted is None:
                return place, None
            end = quoted.end()
            if end < len(record) and record[end] not in field_ends:
                return place, end - 1
        else:
            end = _end(unquoted, record, place)
        place = end + record.startswith(delimiter, end)
    return None


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


class QuoteCensus:
    """Counts the quotes in the bytes of a file: some are innocent, such as 5" pipe, but none is when all add up.

    A quote opens behind a delimiter or line end and closes before one; two in a row are none.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = ord(delimiter)
        self._last = b"\n"
        self._total = self._opening = self._closing = 0

    @property
    def odd(self) -> bool:
        """Their number is odd: one is not closed, or stands for itself."""
        return self._total % 2 == 1

    @property
    def uneven(self) -> bool:
        """More open than close, or the other way round."""
        return self._opening != self._closing + (self._last == _QUOTE)

    def add(self, data: bytes) -> None:
        """Count those of the next bytes."""
        text, self._last = self._last + data, data[-1:]
        if _QUOTE not in text:
            return
        self._total += data.count(_QUOTE)
        codes = np.frombuffer(text.replace(_QUOTE * 2, b""), np.uint8)
        quote = codes == ord(_QUOTE)
        border = (codes == self._delimiter) | (codes == ord("\n")) | (codes == ord("\r"))
        self._opening += int(np.count_nonzero(quote[1:] & border[:-1]))
        self._closing += int(np.count_nonzero(quote[:-1] & border[1:]))
