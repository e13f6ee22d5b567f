"""The same fits in other pools of two processes, one after the other, and matrices sent to them.

Each pool is configured as its documentation advises for a few long tasks: workers are kept, one task is handed out at a
time, and joblib memory-maps what is large.
"""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import fits
import numpy as np
from answering import answer
from joblib import Parallel, delayed
from pebble import ProcessPool

WORKERS = 2
IDLE_S = 3600
Map = Callable[[Callable[..., Any], list[Any]], list[Any]]


@contextmanager
def sequential() -> Iterator[Map]:
    """No pool: this process."""
    yield lambda function, arguments: [function(each) for each in arguments]


@contextmanager
def stdlib() -> Iterator[Map]:
    """`concurrent.futures`, spawned as ours are."""
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, arguments: list(pool.map(function, arguments, chunksize=1))


@contextmanager
def pebble() -> Iterator[Map]:
    """Pebble without limits or recycling."""
    with ProcessPool(WORKERS, context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, arguments: list(pool.map(function, arguments, chunksize=1).result())


@contextmanager
def joblib() -> Iterator[Map]:
    """Joblib's default backend, loky, which keeps its workers between calls; `batch_size=1` as for long tasks."""
    with Parallel(WORKERS, batch_size=1, idle_worker_timeout=IDLE_S) as parallel:
        yield lambda function, arguments: parallel(delayed(function)(each) for each in arguments)


POOLS = {"sequential": sequential, "stdlib": stdlib, "pebble": pebble, "joblib": joblib}


def main() -> None:
    with POOLS[sys.argv[1]]() as run:
        kept: dict[str, np.ndarray] = {}

        def load(path: str) -> list[int]:
            kept[path] = np.load(path)
            return list(kept[path].shape)

        def look(path: str, start: int, rows: int) -> str:
            return run(fits.checksum_of, [(kept[path], start, rows)])[0]

        answer(
            {
                "fit": lambda jobs: run(fits.fit_one, jobs),
                "caps": lambda: run(fits.caps, [None])[0],
                "load": load,
                "look": look,
            }
        )


if __name__ == "__main__":
    main()
