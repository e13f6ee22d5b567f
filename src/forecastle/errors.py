"""Every error of Forecastle descends from one of these; each room derives its own.

An error carries facts and no transport: the API maps a class to a status, the CLI to an exit code.

    ForecastleError                what went wrong, in one line
    ├── BadInput                   the caller sent something unusable; names field, value, expected
    ├── SettingsError              the configuration cannot be used
    ├── NotFound                   what was named does not exist (or is not the caller's)
    ├── Conflict                   it contradicts what is already there
    ├── TooLarge                   it exceeds a limit
    ├── AccessError
    │   ├── Unauthenticated        who is asking is not known
    │   └── Forbidden              known, but not allowed
    ├── Unavailable                a part that is needed is down or full; try again
    │   └── DiskFull               no space is left where something has to be written
    └── DeadlineExceeded           it took longer than it may
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self


class ForecastleError(Exception):
    """Something went wrong inside Forecastle."""

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])

    @property
    def message(self) -> str:
        """One line that says what is wrong and, where it can, how to mend it."""
        return str(self)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One unusable field: where it is, what was found there and what was expected."""

    field: str
    expected: str
    found: str = ""

    def __str__(self) -> str:
        found = f", found {self.found}" if self.found else ""
        return f"{self.field}: expected {self.expected}{found}"


class BadInput(ForecastleError):
    """The input cannot be used."""

    code = "INVALID_INPUT"

    def __init__(self, message: str | None = None, *, problems: Sequence[FieldProblem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message or "; ".join(map(str, self.problems)) or None)

    @classmethod
    def at(cls, field: str, *, expected: str, found: object = "") -> "BadInput":
        """The error for a single unusable field."""
        return cls(problems=[FieldProblem(field, expected, clip(found))])


class SettingsError(ForecastleError):
    """The settings cannot be used."""

    code = "INVALID_SETTINGS"


class NotFound(ForecastleError):
    """What was named does not exist."""

    code = "NOT_FOUND"


class Conflict(ForecastleError):
    """It contradicts what is already there."""

    code = "CONFLICT"


class TooLarge(ForecastleError):
    """It exceeds a limit."""

    code = "TOO_LARGE"


class AccessError(ForecastleError):
    """Access is refused."""

    code = "ACCESS_REFUSED"


class Unauthenticated(AccessError):
    """Sign in first."""

    code = "UNAUTHENTICATED"


class Forbidden(AccessError):
    """Your role does not allow this."""

    code = "FORBIDDEN"


class Unavailable(ForecastleError):
    """A part that is needed cannot be reached now; try again."""

    code = "UNAVAILABLE"
    retry_after_s: ClassVar[int] = 1


class DiskFull(Unavailable):
    """No space is left on a disk that is needed: make room there, then try again."""

    code = "DISK_FULL"

    @classmethod
    def at(cls, where: object, *, writing: str) -> Self:
        """The error for a place, and for what should have been written there."""
        return cls(f"no space is left in {where} for {writing}: make room there, or move it to a larger disk")

    @staticmethod
    def is_told_by(error: BaseException) -> bool:
        """Whether an error of the system says that a disk or a quota is full."""
        return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


class DeadlineExceeded(ForecastleError):
    """It took longer than it may."""

    code = "DEADLINE_EXCEEDED"


def clip(value: object, limit: int = 60) -> str:
    """`value` as a short one-line text for a message."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(printable(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """`text` without what cannot be encoded or would disturb a terminal: lone surrogates and control characters."""
    return "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
