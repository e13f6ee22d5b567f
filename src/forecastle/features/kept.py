"""Tables and features that were computed once and are kept for whoever needs the same: files, mapped into memory.

What is kept is named by a hash of everything that it depends on, so it can be lost at any time, and its files by a
checksum beside them, so that one which was damaged on the disk counts as lost.
"""

import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.lib.format import open_memmap

from forecastle.data.storage import lock, sync
from forecastle.features.matrix import FeatureMatrix, Vocabulary

Thing = TypeVar("Thing")

INCOMING = "incoming"
TABLE, VALUES, VOCABULARIES = "table.arrow", "values.npy", "vocabularies.json"
CHECKSUMS = "checksums.json"
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Format(Generic[Thing]):
    """How a thing is written to a folder and mapped from it."""

    size: Callable[[Thing], int]
    write: Callable[[Thing, Path], None]
    read: Callable[[Path], Thing]


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of computed things, of at most `limit` bytes; those least recently used go first.

    Processes may share it. Two that need the same thing at once compute it once: the second waits.
    """

    root: Path
    limit: int

    def table(self, key: str, compute: Callable[[], pl.DataFrame]) -> tuple[pl.DataFrame, bool]:
        """The table kept under a key, computed if there is none; and whether it was there.

        Args:
            key: names everything that the table depends on; letters, digits and dashes.
            compute: gives the table. What it raises is raised here.
        """
        return self._get(key, compute, _TABLE)

    def matrix(self, key: str, compute: Callable[[], FeatureMatrix]) -> tuple[FeatureMatrix, bool]:
        """The features kept under a key, as `table`."""
        return self._get(key, compute, _MATRIX)

    def _get(self, key: str, compute: Callable[[], Thing], form: _Format[Thing]) -> tuple[Thing, bool]:
        if not self.limit:
            return compute(), False
        found = self._find(key, form)
        if found is not None:
            return found, True
        with ExitStack() as stack:
            try:
                stack.enter_context(self._turn(key))
            except OSError:  # a cache that cannot be written is no reason to fail
                return compute(), False
            found = self._find(key, form)
            return (found, True) if found is not None else (self._keep(key, compute(), form), False)

    def _find(self, key: str, form: _Format[Thing]) -> Thing | None:
        folder = self.root / key
        try:
            wanted = msgspec.json.decode((folder / CHECKSUMS).read_bytes(), type=dict[str, int])
            if wanted != _checksums(folder):
                return None  # damaged
            thing = form.read(folder)
            os.utime(folder)
        except (OSError, ValueError, pa.ArrowException, msgspec.MsgspecError):
            return None  # not there, or just deleted
        return thing

    def _keep(self, key: str, thing: Thing, form: _Format[Thing]) -> Thing:
        """Write it, and give the mapped one so that the computed one can be freed; if it cannot be kept, that one."""
        if form.size(thing) > self.limit:
            return thing
        incoming = self.root / INCOMING / key
        try:
            form.write(thing, incoming)
            (incoming / CHECKSUMS).write_bytes(msgspec.json.encode(_checksums(incoming)))
            for file in incoming.iterdir():
                sync(file)
            shutil.rmtree(self.root / key, ignore_errors=True)
            incoming.rename(self.root / key)
        except OSError:
            shutil.rmtree(incoming, ignore_errors=True)
            return thing
        self._trim(key)
        self._sweep()
        kept = self._find(key, form)
        return thing if kept is None else kept

    def _trim(self, newest: str) -> None:
        """Delete the least recently used until the rest fits."""
        used = sorted(_usage(self._folders()), key=lambda each: each[0], reverse=True)
        total = 0
        for _, size, folder in used:
            total += size
            if total > self.limit and folder.name != newest:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size

    def _sweep(self) -> None:
        """Delete what was left half-written by processes that were killed."""
        for left in (self.root / INCOMING).iterdir():
            with suppress(OSError), lock(left, wait=False):
                shutil.rmtree(left)

    def _folders(self) -> list[Path]:
        return [folder for folder in self.root.iterdir() if folder.name != INCOMING]

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """One process at a time for a key; the system takes the lock from the dead."""
        incoming = self.root / INCOMING / key
        incoming.mkdir(parents=True, exist_ok=True)
        with lock(incoming):
            try:
                yield
            finally:
                with suppress(OSError):  # kept, and so moved away
                    incoming.rmdir()


def _checksums(folder: Path) -> dict[str, int]:
    """CRC-32 of each file; read in blocks, as pages that are mapped would count as the worker's memory."""
    return {file.name: _checksum(file) for file in folder.iterdir() if file.name != CHECKSUMS}


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _write_table(table: pl.DataFrame, folder: Path) -> None:
    """In one piece and uncompressed, so that every column can be used where it lies."""
    arrow = table.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    with pa.OSFile(str(folder / TABLE), "wb") as file, pa.ipc.new_file(file, arrow.schema) as writer:
        writer.write_table(arrow.combine_chunks())


def _read_table(folder: Path) -> pl.DataFrame:
    table = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(folder / TABLE))).read_all())
    return table if isinstance(table, pl.DataFrame) else table.to_frame()


def _write_matrix(matrix: FeatureMatrix, folder: Path) -> None:
    np.save(folder / VALUES, matrix.values)
    (folder / VOCABULARIES).write_bytes(msgspec.json.encode(matrix.vocabularies))


def _read_matrix(folder: Path) -> FeatureMatrix:
    values = open_memmap(folder / VALUES, mode="r")
    vocabularies = msgspec.json.decode((folder / VOCABULARIES).read_bytes(), type=tuple[Vocabulary | None, ...])
    return FeatureMatrix(np.asarray(values), vocabularies)


def _usage(folders: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, and its bytes; one that is going away is left out."""
    for folder in folders:
        with suppress(OSError):
            yield folder.stat().st_mtime, sum(file.stat().st_size for file in folder.iterdir()), folder


_TABLE = _Format(lambda table: int(table.estimated_size()), _write_table, _read_table)
_MATRIX = _Format(lambda matrix: matrix.values.nbytes, _write_matrix, _read_matrix)
