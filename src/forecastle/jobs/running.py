"""A job while its runner works on it."""

import asyncio
from dataclasses import dataclass, field

from forecastle.jobs.allowance import LogAllowance
from forecastle.jobs.job import Job
from forecastle.jobs.journal import Line, Measured, News, Report


@dataclass(slots=True, eq=False)
class Running:
    """A job that this runner works on, and its news that are not stored yet."""

    job: Job
    room: LogAllowance
    report: Report | None = None
    lines: list[Line] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    ending: bool = False
    """Its outcome is being stored, or it is being killed."""
    is_over: bool = False
    """Its worker is free for another job."""

    def follow(self, news: News) -> None:
        """Keep the last report, and as much of the log as there is room for."""
        if isinstance(news, Report):
            self.report = news
        elif isinstance(news, Line):
            if (kept := self.room.grant(news)) is not None:
                self.lines.append(kept)
        else:
            self.measured.append(news)

    def kill(self) -> None:
        """Once only: the second time would disturb the first."""
        if self.task is not None and not self.ending:
            self.ending = True
            self.task.cancel()

    def forget(self, report: Report | None, lines: int, measured: int) -> None:
        """Drop news that are stored; newer ones stay."""
        self.lines, self.measured = self.lines[lines:], self.measured[measured:]
        if self.report is report:
            self.report = None
