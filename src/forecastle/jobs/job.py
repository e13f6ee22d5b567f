"""What a job is."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecastle.errors import BadInput
from forecastle.jobs.machine import ENDED, Status

MAX_PRIORITY = 100
MAX_TIMEOUT_S = 366 * 24 * 3600.0
MIN_MEMORY_MB, MAX_MEMORY_MB = 64, 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a job is run. The runner's settings cap both limits; None leaves them at that."""

    priority: int = 0
    """-100 to 100; the higher is run first, of equals the oldest."""
    timeout_s: float | None = None
    memory_mb: int | None = None

    def but(
        self, *, priority: int | None = None, timeout_s: float | None = None, memory_mb: int | None = None
    ) -> "Terms":
        """The same, less what is given anew."""
        return Terms(
            self.priority if priority is None else priority,
            self.timeout_s if timeout_s is None else timeout_s,
            self.memory_mb if memory_mb is None else memory_mb,
        )

    def check(self) -> None:
        """Do nothing if they can be kept.

        Raises:
            BadInput: a value is out of range.
        """
        if not -MAX_PRIORITY <= self.priority <= MAX_PRIORITY:
            expected = f"a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}"
            raise BadInput.at("priority", expected=expected, found=self.priority)
        if self.timeout_s is not None and not (math.isfinite(self.timeout_s) and 0 < self.timeout_s <= MAX_TIMEOUT_S):
            raise BadInput.at(
                "timeout_s", expected=f"seconds, above 0 and at most {MAX_TIMEOUT_S:.0f}", found=self.timeout_s
            )
        if self.memory_mb is not None and not MIN_MEMORY_MB <= self.memory_mb <= MAX_MEMORY_MB:
            raise BadInput.at(
                "memory_mb", expected=f"megabytes, {MIN_MEMORY_MB} to {MAX_MEMORY_MB}", found=self.memory_mb
            )


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, as it stood when it was read."""

    id: str
    kind: str
    payload: dict[str, Any]
    dedupe: str | None
    """Two jobs of the same text never live side by side, unless the first failed or was cancelled."""
    owner: str | None
    """Id of the user who asked for it; None for the machine's own administrator."""
    status: Status
    progress: float
    """Share done, 0 to 1."""
    message: str
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    """How often it was started, starts that a runner gave back in order excepted."""
    priority: int
    timeout_s: float | None
    """The most that it may take by its own terms."""
    memory_mb: int | None
    """The most memory that it may use by its own terms."""
    retry_of: str | None
    """The job that failed or was cancelled before, if this one repeats it."""

    @property
    def terms(self) -> Terms:
        """On what terms it is run."""
        return Terms(self.priority, self.timeout_s, self.memory_mb)

    @property
    def ended(self) -> bool:
        """Whether its status is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Change:
    """A status that a job came into."""

    number: int
    """Grows with every change; within a job in the order in which they were made."""
    status: Status
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a job logged."""

    number: int
    """Grows with every line; not contiguous within a job."""
    at: datetime
    text: str
