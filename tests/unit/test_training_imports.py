"""The API process stays light: learning libraries are loaded where models are trained, and nowhere else."""

import subprocess
import sys

import pytest

HEAVY = ("sklearn", "lightgbm", "xgboost", "scipy", "onnx")


def loaded(module: str, among: tuple[str, ...]) -> set[str]:
    """Which of some packages a fresh process has loaded after importing the module."""
    code = f"import sys, {module}; print(*[name for name in {among!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "forecastle.api.app",
        "forecastle.cli.main",
        "forecastle.training.submit",
        "forecastle.training.finish",
        "forecastle.training.algorithms.catalogue",
    ],
)
def test_importing_it_loads_no_learning_library(module: str) -> None:
    assert loaded(module, HEAVY) == set()


def test_a_worker_loads_the_learning_libraries_and_no_database() -> None:
    assert loaded("forecastle.training.algorithms.lightgbm", HEAVY) >= {"sklearn", "lightgbm", "onnx"}
    unwanted = ("sqlalchemy", "aiosqlite", "asyncpg", "fastapi", "sklearn", "lightgbm", "xgboost", "scipy")
    assert loaded("forecastle.training.worker", unwanted) == set()
