"""Builds wheels with the standard library alone, so that `./run` can be tried whole without a network.

A trial checkout has a copy of this file as its build backend: its `forecastle` command prints how it was called.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

PRODUCT = """
import json, os, sys
def main():
    print(json.dumps({"arguments": sys.argv[1:], "pid": os.getpid(), "cwd": os.getcwd(), "path": sys.path}))
    return 7 if "--fail" in sys.argv else 0
"""


def build_editable(wheel_directory: str, *_settings: object) -> str:
    files = {"forecastle.py": PRODUCT}
    return write_wheel(Path(wheel_directory), "forecastle", files, scripts={"forecastle": "forecastle:main"}).name


def write_wheel(folder: Path, name: str, files: Mapping[str, str], *, scripts: Mapping[str, str]) -> Path:
    metadata = f"{name}-1.0.dist-info"
    commands = "".join(f"{command} = {target}\n" for command, target in scripts.items())
    contents = {
        **files,
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{metadata}/entry_points.txt": f"[console_scripts]\n{commands}",
    }
    record = f"{metadata}/RECORD"
    listing = "".join(f"{path},,\n" for path in [*contents, record])
    target = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**contents, record: listing}.items():
            archive.writestr(path, text)
    return target
