"""What a job is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecastle.jobs.machine import ENDED, Status


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
    """How often it was started."""

    @property
    def ended(self) -> bool:
        """Whether its status is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a job logged."""

    number: int
    """Grows with every line; not contiguous within a job."""
    at: datetime
    text: str
