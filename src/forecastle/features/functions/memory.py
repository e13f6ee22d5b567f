"""Memory for results of long series."""

import mmap
from contextlib import suppress

import numpy as np

from forecastle.features.functions.declare import Values

_LARGE_PAGE = 2 * 1024 * 1024


def empty(size: int) -> Values:
    """An array of `size` values, not set to anything.

    A long one is asked for in the system's large pages, where it has them: clearing half a million small ones takes
    longer than what is computed into them.
    """
    length = size * np.dtype(np.float64).itemsize
    if length < 2 * _LARGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(size)
    pages = mmap.mmap(-1, -(-length // _LARGE_PAGE) * _LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a system that was built without large pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, count=size)
