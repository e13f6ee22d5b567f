"""How much memory a process and its children use, seen from outside, and what a machine has.

Only Linux tells; elsewhere a process seems to use nothing and no limit is ever reached.

What counts is what no file on disk could give back: anonymous and shared memory, in RAM or swapped out. A table that is
mapped from a file does not count, however much of it is resident.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MB = 1024 * 1024
SHARE_OF_MACHINE = 0.8
FAMILY_S = 0.5
OWN = ("RssAnon:", "RssShmem:", "VmSwap:")
SHARED_OUT = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(slots=True)
class Meter:
    """Measures a process again and again; what it has started is looked for twice a second."""

    pid: int
    _family: tuple[int, ...] = ()
    _looked_s: float = -math.inf

    def used_bytes(self, *, now_s: float) -> int:
        """What the process and its descendants use; 0 if it is gone.

        Pages that forked processes share are counted once: proportional set size, which takes longer to read.
        """
        if now_s - self._looked_s >= FAMILY_S:
            self._family, self._looked_s = tuple(_descendants(self.pid)), now_s
        if not self._family:
            return _sum(Path(f"/proc/{self.pid}/status"), OWN)
        return sum(_sum(Path(f"/proc/{member}/smaps_rollup"), SHARED_OUT) for member in (self.pid, *self._family))


def used_bytes(pid: int) -> int:
    """What the process and its descendants use now; 0 if it is gone."""
    return Meter(pid).used_bytes(now_s=0.0)


def virtual_bytes() -> int:
    """The private writable memory that this process has asked for, used or not: what RLIMIT_DATA limits."""
    return _sum(Path("/proc/self/status"), ("VmData:",))


def limit_here(asked: int | None) -> int:
    """The most that a job may use, in bytes: what it asks for, and at most four fifths of the machine or container."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = int(min([machine, *_container_limits()]) * SHARE_OF_MACHINE)
    return min(asked or most, most)


def _container_limits() -> Iterator[int]:
    for path in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # not there, or "max"
            yield int(Path(path).read_text())


def _descendants(pid: int) -> list[int]:
    children = [child for thread in _threads(pid) for child in _children(thread)]
    return [each for child in children for each in (child, *_descendants(child))]


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _children(thread: Path) -> list[int]:
    try:
        return [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def _sum(path: Path, fields: tuple[str, ...]) -> int:
    """The sum of some fields of a file of `/proc`, whose lines read `name: number kB`."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(fields))
