"""Whether a runner that shares this home folder still lives: it holds a file lock that ends with its process."""

import fcntl
import os
from pathlib import Path

PREFIX = "runner-"


class Lifeline:
    """The lock of one living runner."""

    def __init__(self, folder: Path, runner: str) -> None:
        self._file = os.open(_path(folder, runner), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def cut(self) -> None:
        """Let go. The file stays, as it does when the process dies."""
        os.close(self._file)


def is_cut(folder: Path, runner: str) -> bool:
    """Whether the runner is surely dead; False too for one of another home, whose lease alone tells."""
    try:
        file = os.open(_path(folder, runner), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def find_cut(folder: Path) -> set[str]:
    """The runners of this home that died and whose file is still there."""
    runners = {path.stem.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*.lock")}
    return {runner for runner in runners if is_cut(folder, runner)}


def clear(folder: Path, runner: str) -> None:
    """Remove the file of a runner whose jobs are taken care of."""
    _path(folder, runner).unlink(missing_ok=True)


def _path(folder: Path, runner: str) -> Path:
    return folder / f"{PREFIX}{runner}.lock"
