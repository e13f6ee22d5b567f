"""Rows in the order of time and keys, in bounded memory, and without duplicates."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from forecastle.data.naming import MAX_NAME

#: The row of the file, from 0; decides between rows of the same time and keys. No column has so long a name.
ROW = "row".ljust(MAX_NAME + 1, "_")

BUCKET_BYTES = 16 * 1024 * 1024
MAX_BUCKETS = 256
SAMPLES_A_FRAME = 256
FRAME_ROWS = 65_536


def ordered(frames: Iterable[pl.DataFrame], by: Sequence[str], folder: Path) -> Iterator[pl.DataFrame]:
    """The rows of `frames` sorted by the columns `by`, the first of them the time, then by `ROW`.

    They are written to `folder` first. When they come in order they are read back as they are; otherwise they are
    distributed to files by ranges of time, each of which fits into memory, and sorted there.
    """
    spool = folder / "spool.arrow"
    samples: list[NDArray[np.int64]] = []
    in_order, last, size = True, None, 0
    with _Writers(folder) as writers:
        for frame in frames:
            joined = frame if last is None else pl.concat([last, frame])
            in_order = in_order and _is_sorted(joined, by)
            last = frame.tail(1)
            size += int(frame.estimated_size())
            samples.append(_sample(frame[by[0]]))
            writers.write(spool, frame)
    if in_order:
        yield from _read(spool)
        return
    yield from _distributed(spool, by, folder, _splits(samples, size))


def deduplicated(
    frames: Iterable[pl.DataFrame],
    by: Sequence[str],
    keep: Literal["error", "first", "last"],
    refuse: Callable[[pl.DataFrame], Exception],
) -> Iterator[pl.DataFrame]:
    """One row for each combination of `by` from sorted frames, without `ROW`.

    Raises:
        Exception: what `refuse` makes of the first rows that are there twice, when `keep` is "error".
    """
    held: pl.DataFrame | None = None
    for frame in frames:
        joined = frame if held is None else pl.concat([held, frame])
        same = _same_as_next(joined, by)
        if keep == "error" and same.any():
            raise refuse(joined.filter(same | same.shift(1, fill_value=False)).head(6))
        # The first of a group is held back until the group ends.
        dropped = same.shift(1, fill_value=False) if keep == "first" else same
        joined = joined.filter(~dropped)
        held = joined.tail(1)
        yield joined.head(-1).drop(ROW)
    if held is not None:
        yield held.drop(ROW)


class _Writers:
    """Arrow files in the making, by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._writers: dict[Path, pa.RecordBatchStreamWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, path: Path, frame: pl.DataFrame) -> None:
        """Append the rows."""
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if path not in self._writers:
            file = self._stack.enter_context(pa.OSFile(str(path), "wb"))
            self._writers[path] = self._stack.enter_context(pa.ipc.new_stream(file, table.schema))
        self._writers[path].write_table(table)


def _read(path: Path) -> Iterator[pl.DataFrame]:
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
        yield from (pl.DataFrame(batch) for batch in reader)


def _distributed(spool: Path, by: Sequence[str], folder: Path, splits: NDArray[np.int64]) -> Iterator[pl.DataFrame]:
    buckets = [folder / f"bucket-{number}.arrow" for number in range(len(splits) + 1)]
    with _Writers(folder) as writers:
        for frame in _read(spool):
            numbers = pl.Series("bucket", np.searchsorted(splits, _integers(frame[by[0]]), side="right"))
            for (number, *_), part in frame.group_by(numbers, maintain_order=True):
                writers.write(buckets[int(str(number))], part)
    spool.unlink()
    for bucket in buckets:
        if bucket.exists():
            yield from pl.concat(_read(bucket)).sort(*by, ROW).iter_slices(FRAME_ROWS)
            bucket.unlink()


def _splits(samples: list[NDArray[np.int64]], size: int) -> NDArray[np.int64]:
    """Times that cut the rows into parts of about `BUCKET_BYTES`."""
    buckets = min(MAX_BUCKETS, -(-size // BUCKET_BYTES))
    times = np.sort(np.concatenate(samples))
    cuts = np.arange(1, buckets) * len(times) // buckets
    return np.unique(times[cuts])


def _sample(times: pl.Series) -> NDArray[np.int64]:
    return _integers(times.gather_every(max(1, len(times) // SAMPLES_A_FRAME)))


def _integers(times: pl.Series) -> NDArray[np.int64]:
    return times.to_physical().to_numpy().astype(np.int64)


def _is_sorted(frame: pl.DataFrame, by: Sequence[str]) -> bool:
    ordered_so_far = pl.lit(value=True)
    for name in reversed(by):
        before, now = pl.col(name), pl.col(name).shift(-1)
        ordered_so_far = (before < now) | ((before == now) & ordered_so_far)
    return bool(frame.head(-1).height == 0 or frame.select(ordered_so_far.head(pl.len() - 1).all()).item())


def _same_as_next(frame: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in by).fill_null(value=False)
    return frame.select(same.alias("same")).to_series()
