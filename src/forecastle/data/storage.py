"""Where tables live: Parquet files named by the hash of their content."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forecastle.data.errors import StoreFull, TableDamaged, TableMissing
from forecastle.errors import DiskFull

if TYPE_CHECKING:
    import polars as pl


class TableStore:
    """A folder of immutable tables. A table is there whole or not at all.

    Tables come and go under the lock of the catalogue, which holds their names.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        self._doubtful = root / "doubtful"
        self.derived = root / "derived"
        """For what is computed from tables, in folders named by the table's hash and a dash; goes with the table."""

    def path(self, sha256: str) -> Path:
        """Where the table with this content is, or would be."""
        return self.root / f"{sha256}.parquet"

    @contextmanager
    def scan(self, name: str, sha256: str) -> Iterator["pl.LazyFrame"]:
        """The table of the dataset `name`, to be collected inside; damage that its encoding does not show is not seen.

        Raises:
            TableMissing: it is not there.
            TableDamaged: what was collected cannot be read.
        """
        import polars as pl  # noqa: PLC0415 - slow to import, and most commands read no table

        path = self.path(sha256)
        try:
            yield pl.scan_parquet(path, glob=False)
        except FileNotFoundError as error:
            raise TableMissing(name, self._shown(path)) from error
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise TableDamaged(name, self._shown(path), str(error)) from error

    def read(self, name: str, sha256: str, *, time: str | None, keys: Sequence[str]) -> "pl.DataFrame":
        """The whole table of the dataset `name`, its content compared with its hash.

        Raises:
            TableMissing: it is not there.
            TableDamaged: it is not what was imported.
        """
        from forecastle.data.hashing import content_hash  # noqa: PLC0415 - as above

        with self.scan(name, sha256) as rows:
            table = rows.collect()
        if content_hash(table, time=time, keys=keys) != sha256:
            raise TableDamaged(name, self._shown(self.path(sha256)), "its content has another hash")
        return table

    def _shown(self, path: Path) -> str:
        """The file as seen from the home."""
        return str(path.relative_to(self.root.parent))

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for files in the making; it goes away at the end, or, if this process is killed, by `sweep`.

        The folder is locked while its owner lives; the system takes the lock from the dead.

        Raises:
            StoreFull: the disk has no space left.
        """
        folder = self._incoming / uuid.uuid4().hex
        with self._telling_if_full(), ExitStack() as stack:
            with self._turn():
                folder.mkdir()
                stack.enter_context(lock(folder))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder

    def sweep(self) -> None:
        """Delete the workspaces whose owners are dead."""
        with ExitStack() as locks:
            with self._turn():
                dead = [folder for folder in self._incoming.iterdir() if _take(locks, folder)]
            for folder in dead:
                shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, temporary: Path, sha256: str) -> None:
        """Make a finished file the table of that hash, durably and at once; a new one is doubtful until settled."""
        sync(temporary)
        if not self.path(sha256).exists():
            self._doubtful.mkdir(parents=True, exist_ok=True)
            (self._doubtful / sha256).touch()
            sync(self._doubtful)
        temporary.replace(self.path(sha256))
        sync(self.root)

    def doubtful(self) -> list[str]:
        """The tables adopted but not settled: whoever adopted one may have died before its name was there."""
        return [mark.name for mark in self._doubtful.iterdir()] if self._doubtful.is_dir() else []

    def settle(self, sha256: str) -> None:
        """The table has a name, or is gone."""
        (self._doubtful / sha256).unlink(missing_ok=True)

    def remove(self, sha256: str) -> None:
        """Delete the table and what was computed from it; nothing happens when it is not there."""
        self.path(sha256).unlink(missing_ok=True)
        for folder in self.derived.glob(f"{sha256}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _telling_if_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if DiskFull.is_told_by(error):
                raise StoreFull.at(self.root, writing="the dataset") from error
            raise

    def _turn(self) -> AbstractContextManager[None]:
        """One process at a time, so that no workspace is swept before it is locked."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        return lock(self._incoming)


@contextmanager
def lock(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Have a folder to oneself among the processes that ask; the system takes the lock from the dead.

    Raises:
        BlockingIOError: another has it, and this one does not `wait`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _take(locks: ExitStack, folder: Path) -> bool:
    """Lock a folder until `locks` end, unless its owner lives or has just removed it."""
    try:
        locks.enter_context(lock(folder, wait=False))
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def sync(path: Path) -> None:
    """Wait until the disk has it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
