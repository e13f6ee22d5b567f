"""Compiles the kernels in C as the package is built; without a C compiler it is built without them, and slower."""

import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("src", "forecastle", "features", "functions", "native")
LIBRARY = "kernels.so"
FLAGS = (
    "-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden",
    "-ffp-contract=off", # the same bits on every processor
    "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip
COMPILE_S = 120


class KernelsHook(BuildHookInterface[Any]):
    """Puts the library beside its sources, and names the platform of a wheel that holds it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; `version` is the way of building, such as `editable`."""
        folder = Path(self.root, NATIVE)
        (folder / LIBRARY).unlink(missing_ok=True)  # what older sources say
        try:
            compile_to(folder / LIBRARY, sorted(folder.glob("*.c")))
        except (OSError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"built without compiled kernels: {error}")
            return
        if version != "editable":
            build_data["artifacts"].append(f"/{NATIVE.as_posix()}/{LIBRARY}")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_to(library: Path, sources: list[Path]) -> None:
    """Compile in one piece: a process that has loaded an older library keeps it.

    Raises:
        FileNotFoundError: there is no C compiler.
        subprocess.SubprocessError: it failed.
    """
    draft = library.with_suffix(".draft")
    try:
        subprocess.run([*compiler(), *FLAGS, *sources, "-o", draft, "-lm"], check=True, timeout=COMPILE_S)
        draft.replace(library)
    finally:
        draft.unlink(missing_ok=True)


def compiler() -> list[str]:
    """The command: `CC` if it is set, else what the system calls its C compiler."""
    if asked := shlex.split(os.environ.get("CC", "")):
        return asked
    if platform.system() != "Windows":
        for name in ("cc", "gcc", "clang"):
            if found := shutil.which(name):
                return [found]
    raise FileNotFoundError("there is no C compiler")
