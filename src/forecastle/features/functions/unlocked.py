"""TA-Lib's functions, called without the interpreter's lock, so that several run at once."""

import ctypes
from collections.abc import Sequence
from functools import cache

import numpy as np
import talib

from forecastle.features.functions.declare import Values
from forecastle.features.functions.memory import empty

_Option = int | float


def indicator(name: str, series: Sequence[Values], *options: _Option) -> Values:
    """The one result of a TA-Lib function.

    Args:
        name: As TA-Lib spells it, such as `EMA`.
        series: Its inputs in its order, of one length, with nothing missing.
        options: Its parameters in its order, each a float where TA-Lib takes one.
    """
    return indicators(name, series, *options, results=1)[0]


def indicators(name: str, series: Sequence[Values], *options: _Option, results: int) -> tuple[Values, ...]:
    """The results of a TA-Lib function that has several, in its order; arguments as of `indicator`.

    Raises:
        ValueError: TA-Lib refuses an option.
    """
    outputs = tuple(empty(len(series[0])) for _ in range(results))
    if not outputs[0].size:
        return outputs
    if (library := _library()) is None:
        found = getattr(talib, name)(*series, *options)
        return tuple(found) if isinstance(found, tuple | list) else (found,)
    start = getattr(library, f"TA_{name}_Lookback")(*map(_number, options))
    inputs = [np.ascontiguousarray(each) for each in series]
    for output in outputs:
        output[:start] = np.nan
    outcome = getattr(library, f"TA_{name}")(
        0,
        len(outputs[0]) - 1,
        *(ctypes.c_void_p(each.ctypes.data) for each in inputs),
        *map(_number, options),
        ctypes.byref(ctypes.c_int()),
        ctypes.byref(ctypes.c_int()),
        *(ctypes.c_void_p(each.ctypes.data + start * each.itemsize) for each in outputs),
    )
    if outcome:
        raise ValueError(f"TA-Lib's {name} takes no {options} (error {outcome})")
    return outputs


@cache
def _library() -> ctypes.CDLL | None:
    """The library that the binding is linked to; None on a platform where its names are not to be seen through it."""
    try:
        library = ctypes.CDLL(talib._ta_lib.__file__)  # noqa: SLF001 the module whose names lead to the library
    except (AttributeError, OSError):
        return None
    return library if hasattr(library, "TA_EMA") else None


def _number(option: _Option) -> ctypes.c_int | ctypes.c_double:
    return ctypes.c_double(option) if isinstance(option, float) else ctypes.c_int(option)
