"""`./run` on machines without a Python that is new enough."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]


def start_with(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Start a copy of `./run` where nothing but these shell scripts can be found."""
    folder.mkdir()
    for name in ("run", "run.py"):
        shutil.copy(SOURCE / name, folder)
    (folder / "sh").symlink_to("/bin/sh")
    for name, script in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", folder / "run", "help"], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )


def test_none_at_all(tmp_path: Path) -> None:
    done = start_with(tmp_path / "bin")
    assert done.returncode == 3
    assert "needs Python 3.11 or newer, found no python3." in done.stderr


def test_only_an_old_one(tmp_path: Path) -> None:
    done = start_with(tmp_path / "bin", python3='[ "$1" = --version ] && echo Python 3.9.2')
    assert done.returncode == 3
    assert "needs Python 3.11 or newer, found Python 3.9.2." in done.stderr


def test_a_newer_one_beside_an_old_one(tmp_path: Path) -> None:
    newer = {"python3.12": f'exec {sys.executable} "$@"'}
    done = start_with(tmp_path / "bin", python3="exit 1", **newer)
    assert (done.returncode, done.stderr) == (0, "")
    assert "./run demo --once" in done.stdout


@pytest.mark.parametrize("version", [(3, 6), (3, 8), (3, 10)])
def test_an_old_one_can_read_run_py(version: tuple[int, int]) -> None:
    ast.parse((SOURCE / "run.py").read_text(), feature_version=version)


def test_an_old_one_that_is_given_run_py_says_what_is_needed() -> None:
    pretend = "import runpy, sys; sys.version_info = (3, 8, 10); runpy.run_path('run.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=SOURCE, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Forecastle needs Python 3.11 or newer; this is ")
    assert len(done.stderr.splitlines()) == 1
