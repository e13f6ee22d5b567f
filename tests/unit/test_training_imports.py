"""The API process stays light: learning libraries are loaded where models are trained, and nowhere else."""

import subprocess
import sys
from importlib import import_module

import pytest

from forecastle.training import lean

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
    assert loaded("forecastle.training.algorithms.random_forest", HEAVY) >= {"sklearn", "onnx"}
    unwanted = ("sqlalchemy", "aiosqlite", "asyncpg", "fastapi", "sklearn", "lightgbm", "xgboost", "scipy")
    assert loaded("forecastle.training.worker", unwanted) == set()


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_boosters_load_no_estimators(booster: str) -> None:
    heavy = ("sklearn", "pandas", "joblib", "scipy.stats")
    assert loaded(f"forecastle.training.algorithms.{booster}", (*heavy, booster)) == {booster}


def test_what_was_withheld_can_be_imported_afterwards() -> None:
    boosters = "forecastle.training.algorithms.lightgbm, forecastle.training.algorithms.xgboost"
    assert loaded(f"{boosters}, sklearn.ensemble, scipy.stats", ("sklearn",)) == {"sklearn"}


def test_only_what_is_not_loaded_already_is_withheld() -> None:
    sys.modules.pop("this", None)
    with lean.without("subprocess", "this"):
        assert import_module("subprocess") is subprocess
        with pytest.raises(ModuleNotFoundError):
            import_module("this")
    assert import_module("subprocess") is subprocess
    assert "this" not in sys.modules
