"""One thread for every numerical library of a worker process: there are as many workers as cores."""

import os

CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def cap_threads() -> None:
    """Set the caps for this process; libraries read them when they are loaded."""
    os.environ.update(dict.fromkeys(CAPS, "1"))
