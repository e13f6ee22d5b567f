"""What a job is given to work with."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from forecastle.jobs.errors import BadReport
from forecastle.jobs.journal import Journal, Line, Measured, Report, storable

REPORT_EVERY_S = 0.05
MAX_LINES = 10_000

Phase = Literal["preprocessing", "training"]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(slots=True)
class JobContext:
    """A job's place and its voice. It may report as often as it likes; the journal takes some twenty a second."""

    job_id: str
    home: Path
    artifacts_url: str
    _journal: Journal
    cache_bytes: int = 0
    """How much jobs may keep in the home for those that come after them."""
    _status: Phase = "preprocessing"
    _reported_s: float = field(default=-math.inf)
    _lines: int = 0

    def report(self, share: float, message: str, status: str | None = None) -> None:
        """Say what share of the job is done, in [0, 1], and what is being done now.

        Raises:
            BadReport: the share is no number, or the status does not follow the present one.
        """
        if not math.isfinite(share):
            raise BadReport(f"expected a share between 0 and 1, found {share}")
        advances = status is not None and self._enter(status)
        now_s = time.monotonic()
        if advances or share >= 1 or now_s - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = now_s
            self._journal.write(Report(min(max(share, 0.0), 1.0), storable(message), self._status))

    def log(self, line: str) -> None:
        """Add a line to the job's log."""
        self._lines += 1
        if self._lines == MAX_LINES:
            line = f"… this is line {MAX_LINES}; further lines are not kept"
        if self._lines <= MAX_LINES:
            self._journal.write(Line(datetime.now(UTC), storable(line)))

    def measure(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        """Tell what was measured at one of `steps`, counted from 0; whoever started the job may stop it over that."""
        self._journal.write(Measured(step, steps, dict(values)))

    def _enter(self, status: str) -> bool:
        """Whether `status` is the phase after the present one, entered now."""
        for phase in PHASES[PHASES.index(self._status) :]:
            if phase == status:
                advances, self._status = phase != self._status, phase
                return advances
        raise BadReport(f"expected preprocessing, then training, found {status!r} after {self._status!r}")
