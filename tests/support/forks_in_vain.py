"""A module after which a process cannot fork while the file named by FORECASTLE_TEST_NO_FORKS is there.

A fork that was asked for nevertheless is noted in that file.
"""

import errno
import os
from pathlib import Path

_fork = os.fork


def _fork_if_allowed() -> int:
    forbidden = Path(os.environ["FORECASTLE_TEST_NO_FORKS"])
    if forbidden.exists():
        forbidden.write_text("asked for")
        raise OSError(errno.EAGAIN, "too many processes")
    return _fork()


os.fork = _fork_if_allowed
