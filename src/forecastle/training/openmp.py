"""Makes LightGBM importable on a machine without libgomp, the OpenMP runtime its wheel expects from the system.

The wheel of scikit-learn carries a copy under a name of its own. The dynamic linker recognises a loaded library by the
name written inside it (SONAME), so a copy with the expected name is loaded first.
"""

import ctypes
import importlib.util
import sys
import tempfile
from pathlib import Path

from forecastle.training.errors import TrainingFailed

RUNTIME = "libgomp.so.1"


def load() -> None:
    """Load the OpenMP runtime, the system's or else the copy in scikit-learn's wheel; elsewhere than Linux do nothing.

    Raises:
        TrainingFailed: there is neither.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(RUNTIME)
    except OSError:
        _load_carried()


def _load_carried() -> None:
    carried = _carried()
    with tempfile.TemporaryDirectory(prefix="forecastle-openmp-") as folder:  # private to this user
        copy = Path(folder) / RUNTIME
        copy.write_bytes(renamed(carried.read_bytes(), carried.name))
        ctypes.CDLL(str(copy))  # stays loaded when the file is gone


def _carried() -> Path:
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise TrainingFailed(f"{RUNTIME} is missing: install libgomp1, or scikit-learn as a wheel")
    libraries = Path(package.origin).parent.parent / "scikit_learn.libs"
    found = sorted(libraries.glob("libgomp-*.so*"))
    if not found:
        raise TrainingFailed(f"{RUNTIME} is missing and {libraries} holds no copy: install libgomp1")
    return found[0]


def renamed(library: bytes, name: str) -> bytes:
    """The library with the name inside it changed to the expected one, padded so that nothing moves.

    Raises:
        TrainingFailed: the name is not in the library.
    """
    old = b"\0" + name.encode() + b"\0"
    if library.count(old) != 1 or len(name) < len(RUNTIME):
        raise TrainingFailed(f"{name} cannot stand in for {RUNTIME}: install libgomp1")
    return library.replace(old, b"\0" + RUNTIME.encode().ljust(len(name), b"\0") + b"\0")
