"""LightGBM works from the copy of OpenMP that scikit-learn's wheel carries."""

import subprocess
import sys

import pytest

from forecastle.training import openmp
from forecastle.training.errors import TrainingFailed

TRAIN_WITH_THE_CARRIED_COPY = """
import pathlib, sys
from forecastle.training import openmp
openmp._load_carried()
import lightgbm, numpy
lightgbm.train({"verbosity": -1, "num_threads": 2}, lightgbm.Dataset(numpy.eye(50), numpy.arange(50.0)), 2)
for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
    if "libgomp" in line:
        print(line.split(maxsplit=5)[5])
"""


def test_lightgbm_trains_on_the_carried_copy_and_never_looks_for_the_systems() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_WITH_THE_CARRIED_COPY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines())
    assert any("forecastle-openmp-" in path for path in loaded)
    assert not any(path.startswith(("/lib", "/usr")) and "site-packages" not in path for path in loaded)


TRAIN_WITHOUT_THE_SYSTEMS_COPY = """
import pathlib
from forecastle.training.algorithms import xgboost
import numpy
xgboost.xgboost.train({"nthread": 2}, xgboost.xgboost.DMatrix(numpy.eye(50), numpy.arange(50.0)), 2)
for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
    if "libgomp" in line:
        print(line.split(maxsplit=5)[5])
"""


def test_xgboost_brings_its_own_copy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_WITHOUT_THE_SYSTEMS_COPY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines())
    assert loaded
    assert all("site-packages" in path for path in loaded)


def test_renaming_moves_nothing() -> None:
    library = b"head\0libgomp-abcdef12.so.1.0.0\0tail"
    renamed = openmp.renamed(library, "libgomp-abcdef12.so.1.0.0")
    assert len(renamed) == len(library)
    assert renamed.startswith(b"head\0libgomp.so.1\0")
    assert renamed.endswith(b"\0tail")


@pytest.mark.parametrize("library", [b"", b"\0libgomp-1.so\0 \0libgomp-1.so\0"])
def test_a_library_that_does_not_name_itself_once_is_refused(library: bytes) -> None:
    with pytest.raises(TrainingFailed, match="install libgomp1"):
        openmp.renamed(library, "libgomp-1.so.1.0")
