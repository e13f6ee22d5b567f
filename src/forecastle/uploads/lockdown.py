"""A process that gives up what it does not need before it looks at what strangers sent."""

import os
import resource
import signal
from pathlib import Path

NOTHING = (0, 0)


def lock_down(*, memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """For good: no file or socket can be opened any more, no process started, no core dumped.

    What is open stays so. Whatever will be imported must have been imported before.

    Args:
        memory_bytes: that may be asked for beyond what is taken now.
        cpu_s: of processor time, from the process's start.
        file_bytes: that may be written to a file that is open.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing too much is an error then, and not an end
    if (taken := _virtual_bytes()) is not None:
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, NOTHING)
    resource.setrlimit(resource.RLIMIT_NPROC, NOTHING)
    resource.setrlimit(resource.RLIMIT_NOFILE, NOTHING)


def _virtual_bytes() -> int | None:
    """The address space that this process has; None where the system does not tell, and so cannot limit it either."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
