"""ONNX Runtime is loaded in one way: silent."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import forecastle
from forecastle.registry import runtime

SOURCES = Path(forecastle.__file__).parent
IMPORTS = re.compile(r"^\s*(?:import|from) onnxruntime\b", re.MULTILINE)


@pytest.mark.parametrize("module", ["forecastle.registry.predictor", "forecastle.training.export"])
def test_nothing_is_kept_to_be_reported_home(tmp_path: Path, module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    code = f"import {module}, onnxruntime; onnxruntime.get_available_providers()"
    subprocess.run([sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True)
    assert [path for path in tmp_path.rglob("*") if "onnx" in path.name] == []


def test_one_module_loads_it() -> None:
    loading = [
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if IMPORTS.search(path.read_text())
    ]
    assert loading == ["registry/runtime.py"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("something else", "something else"),
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Gather node. "
                "Name:'uploaded/pick' Status Message: indices element out of data bounds"
            ),
            "Gather node 'pick': indices element out of data bounds",
        ),
        (
            (
                "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /source/svm.h:22 "
                "ml::SVM::SVM(const Info&) [with T = float] kernel_params.size() == 3 was false."
            ),
            "kernel_params.size() == 3 was false.",
        ),
        ("/source/arena.cc:365 void* Arena::Allocate(size_t) Failed to allocate\nmemory", "Failed to allocate memory"),
    ],
)
def test_what_the_runtime_says_is_told_without_its_own_source(said: str, told: str) -> None:
    assert runtime.explain(RuntimeError(said)) == told
