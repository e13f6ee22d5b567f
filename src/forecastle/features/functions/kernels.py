"""What is computed most, compiled: sooner than NumPy, without the interpreter's lock, the same on every processor."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from forecastle.features.functions.declare import Values
from forecastle.features.functions.memory import empty

LIBRARY = Path(__file__).with_name("native") / "kernels.so"
_BLOCK = 65_536
_ARRAY, _SIZE, _NUMBER, _FLAG = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_double, ctypes.c_int
_SIZES, _ARRAYS = ctypes.POINTER(_SIZE), ctypes.POINTER(_ARRAY)


class Kernels:
    """The compiled functions, over contiguous arrays of float64 without a NaN."""

    def __init__(self, library: ctypes.CDLL) -> None:
        def declared(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
            function = library[f"kernel_{name}"]
            function.restype, function.argtypes = result, arguments
            return function

        self._scratch = declared("scratch", _SIZE, _SIZE)
        self._means = declared("means", None, _ARRAY, _SIZE, _SIZE, _ARRAY, _ARRAY)
        self._deviations = declared("deviations", _NUMBER, _ARRAY, _SIZE, _SIZE, _NUMBER, _ARRAY, _ARRAY)
        self._extremes = declared("extremes", None, _ARRAY, _SIZE, _SIZE, _FLAG, _ARRAY, _ARRAY)
        self._finite = declared("finite", _FLAG, _ARRAY, _SIZE)
        self._emas = declared("emas", None, _ARRAY, _SIZE, _SIZE, _SIZES, _ARRAYS)
        self._rsis = declared("rsis", None, _ARRAY, _SIZE, _SIZE, _SIZES, _ARRAYS)

    def scratch(self, window: int) -> int:
        """How many values of memory runs of `window` take to be worked on."""
        return int(self._scratch(window))

    def means(self, values: Values, window: int, scratch: Values, out: Values) -> None:
        """The mean of each run, into `out`."""
        self._means(values.ctypes.data, len(values), window, scratch.ctypes.data, out.ctypes.data)

    def deviations(self, values: Values, window: int, divisor: float, scratch: Values, out: Values) -> float:
        """The root of each run's centred sum of squares over `divisor`, into `out`; returns the least."""
        arrays = scratch.ctypes.data, out.ctypes.data
        return float(self._deviations(values.ctypes.data, len(values), window, divisor, *arrays))

    def extremes(self, values: Values, window: int, scratch: Values, out: Values, *, greatest: bool) -> None:
        """The greatest or the least value of each run, into `out`."""
        self._extremes(values.ctypes.data, len(values), window, greatest, scratch.ctypes.data, out.ctypes.data)

    def finite(self, values: Values) -> bool:
        """Whether no value is infinite or NaN."""
        return bool(self._finite(values.ctypes.data, len(values)))

    def emas(self, values: Values, windows: Sequence[int]) -> list[Values]:
        """The exponential moving average of each window, NaN where it has no value yet."""
        return self._side_by_side(self._emas, values, windows)

    def rsis(self, values: Values, windows: Sequence[int]) -> list[Values]:
        """The relative strength index of each window, NaN where it has no value yet."""
        return self._side_by_side(self._rsis, values, windows)

    @staticmethod
    def _side_by_side(function: Callable[..., Any], values: Values, windows: Sequence[int]) -> list[Values]:
        values = np.ascontiguousarray(values)
        results = [empty(len(values)) for _ in windows]
        ascending = sorted(range(len(windows)), key=windows.__getitem__)
        function(
            values.ctypes.data,
            len(values),
            len(windows),
            (_SIZE * len(windows))(*(windows[place] for place in ascending)),
            (_ARRAY * len(windows))(*(results[place].ctypes.data for place in ascending)),
        )
        return results


@cache
def kernels() -> Kernels | None:
    """The compiled kernels; None where the package was built without a C compiler, or they are not of this version."""
    try:
        return Kernels(ctypes.CDLL(str(LIBRARY)))
    except (AttributeError, OSError):
        return None


def finite(values: Values) -> bool:
    """Whether no value of a series is infinite or NaN; found out in blocks, for which no memory has to be asked for."""
    compiled = kernels()
    if compiled and values.flags.c_contiguous:
        return compiled.finite(values)
    return all(np.isfinite(values[start : start + _BLOCK]).all() for start in range(0, len(values), _BLOCK))
