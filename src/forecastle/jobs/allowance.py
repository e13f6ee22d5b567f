"""How much of what a job logs is kept."""

from dataclasses import dataclass

from forecastle.jobs.journal import Line


@dataclass(slots=True)
class LogAllowance:
    """The room left in a job's log. The line that finds none says so, and those after it are dropped."""

    lines: int
    bytes: int
    _full: bool = False

    def grant(self, line: Line) -> Line | None:
        """What to keep in place of this line."""
        if self._full:
            return None
        self.lines -= 1
        self.bytes -= len(line.text.encode())
        if self.lines > 0 and self.bytes >= 0:
            return line
        self._full = True
        return Line(line.at, "… the log is full; further lines are not kept")
