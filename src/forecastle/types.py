"""Values that several rooms share."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Generic, TypeAlias, TypeVar

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

#: Reports progress of long work: share done in [0, 1] and what is being done.
Progress: TypeAlias = Callable[[float, str], None]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing; `next` is the cursor of the page after it, None at the end."""

    items: tuple[Item, ...]
    next: str | None = None


_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_SHIFTS = tuple(range(70, -1, -10))


class _Randomness:
    """Ten random bytes at a time; the system, which takes as long for a few as for many, is asked for many."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """A forked process must not give what its parent gives."""
        self._left: list[bytes] = []

    def take(self) -> bytes:
        """Ten bytes that nobody else gets, in any thread."""
        try:
            return self._left.pop()
        except IndexError:
            drawn = os.urandom(10 * 256)
            self._left = [drawn[start : start + 10] for start in range(10, len(drawn), 10)]
            return drawn[:10]


_randomness = _Randomness()


@lru_cache(maxsize=4)
def _encode_ms(ms: int) -> str:
    return "".join([_PAIRS[ms >> shift & 1023] for shift in range(40, -1, -10)])


def new_id(now: datetime) -> str:
    """A 26-character identifier: 48 bits of milliseconds, 80 random bits, Crockford base 32.

    Identifiers sort by the time of their creation, so they make good primary keys. Layout: the ULID specification.
    """
    drawn = int.from_bytes(_randomness.take())
    random = "".join([_PAIRS[drawn >> shift & 1023] for shift in _SHIFTS])
    return _encode_ms(int(now.timestamp() * 1000)) + random


def is_storable(text: str) -> bool:
    """Whether every database can hold it: no NUL, and no half of a surrogate pair, which JSON lets through."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def no_progress(share: float, message: str) -> None:
    """A `Progress` that tells nobody."""
