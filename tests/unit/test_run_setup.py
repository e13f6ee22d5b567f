"""`./run` in trial checkouts: real environments, real pip, packages from a folder in place of a network."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2]
BACKEND = SOURCE / "tests" / "support" / "stand_in_backend.py"
PYPROJECT = """
[build-system]
requires = []
build-backend = "stand_in_backend"
backend-path = ["."]
"""
PRINT_ARGUMENTS = "import sys\nprint(*sys.argv[1:])\n"
CHECKER = "import os, sys\ndef main():\n    return int(os.path.basename(sys.argv[0]) == os.environ.get('DISCONTENT'))\n"
CHECKERS = dict.fromkeys(("ruff", "mypy", "lint-imports"), "checkers:main")


def stand_in_backend() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stand_in_backend", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Checkout:
    """A copy of `run` and `run.py` with a small project around them."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def stamp(self) -> Path:
        return self.venv / "forecastle.stamp"

    @property
    def keepsake(self) -> Path:
        """A file in the environment that disappears when it is made anew."""
        return self.venv / "keepsake"

    def command(self, *arguments: str) -> list[str]:
        return [str(self.root / "run"), *arguments]

    def environment(self, **changes: str | None) -> dict[str, str]:
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.root.parent), "PIP_CONFIG_FILE": os.devnull} | changes
        return {name: value for name, value in variables.items() if value is not None}

    def run(self, *arguments: str, cwd: Path | None = None, **changes: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**changes),
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def call(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        done = self.run(*arguments, **changes)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def make_checkout(root: Path) -> Checkout:
    backend = stand_in_backend()
    wheels = root / "wheels"
    wheels.mkdir(parents=True)
    locks = root / "requirements"
    locks.mkdir()
    for name in ("run", "run.py", "hatch_build.py"):
        shutil.copy(SOURCE / name, root)
    shutil.copy(BACKEND, root)
    (root / "pyproject.toml").write_text(PYPROJECT)
    library = backend.write_wheel(wheels, "library", {"library.py": ""}, scripts={})
    tools = backend.write_wheel(wheels, "checkers", {"checkers.py": CHECKER}, scripts=CHECKERS)
    pytest_ = backend.write_wheel(wheels, "pytest", {"pytest.py": PRINT_ARGUMENTS}, scripts={})
    write_lock(locks / "runtime.lock", library)
    write_lock(locks / "dev.lock", library, tools, pytest_)
    return Checkout(root)


def write_lock(path: Path, *wheels: Path) -> None:
    lines = ["--no-index", "--find-links wheels"]
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        lines += [f"{name}=={version} \\", f"    --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}"]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Nothing set up yet; the path has a space in it."""
    return make_checkout(tmp_path / "a checkout")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Set up for development; tests that share it leave it as it is."""
    checkout = make_checkout(tmp_path_factory.mktemp("settled") / "checkout")
    done = checkout.run("test")
    assert done.returncode == 0, done.stderr
    return checkout


@pytest.fixture
def replica(settled: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A set-up checkout at the place it was set up in, put back afterwards."""
    backup = tmp_path / "backup"
    shutil.copytree(settled.root, backup, symlinks=True)
    yield settled
    shutil.rmtree(settled.root)
    shutil.copytree(backup, settled.root, symlinks=True)


def test_first_start_sets_up_and_later_ones_only_start(checkout: Checkout) -> None:
    first = checkout.run("serve", "--port", "9000")
    assert json.loads(first.stdout)["arguments"] == ["serve", "--port", "9000"]
    assert [line.split(" … ")[0] for line in first.stderr.splitlines()] == [
        f"Setting up {checkout.venv}, once:",
        "· an environment",
        "· 1 packages",
        "· Forecastle itself",
    ]
    second = checkout.run("serve")
    assert (second.returncode, second.stderr) == (0, "")


def test_check_with_arguments_is_the_products_own(checkout: Checkout) -> None:
    assert checkout.call("check", "leakage", "recipe.toml")["arguments"] == ["check", "leakage", "recipe.toml"]


def test_packages_for_development_are_added_to_those_for_running(checkout: Checkout) -> None:
    checkout.call("serve")
    checkout.keepsake.touch()
    completed = checkout.run("test", "--real-data", "x y", "-k", "one")
    assert completed.stdout == "--real-data=x y -k one\n"
    assert "· 3 packages" in completed.stderr
    assert checkout.keepsake.exists()
    assert checkout.run("serve").stderr == ""


def lock_changes(checkout: Checkout) -> None:
    for lock in (checkout.root / "requirements").iterdir():
        lock.write_text(lock.read_text() + "# a comment\n")


def set_up_was_interrupted(checkout: Checkout) -> None:
    checkout.stamp.unlink()


def interpreter_is_gone(checkout: Checkout) -> None:
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")


def interpreter_is_broken(checkout: Checkout) -> None:
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 127\n")
    python.chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [lock_changes, set_up_was_interrupted, interpreter_is_gone, interpreter_is_broken],
    ids=lambda f: f.__name__,
)
def test_environment_is_made_anew_when(replica: Checkout, change: Callable[[Checkout], None]) -> None:
    replica.keepsake.touch()
    change(replica)
    assert replica.call("serve")["arguments"] == ["serve"]
    assert not replica.keepsake.exists()
    assert replica.run("serve").stderr == ""


def test_environment_is_made_anew_where_the_checkout_was_moved_to(replica: Checkout) -> None:
    moved = Checkout(replica.root.with_name("moved"))
    shutil.copytree(replica.root, moved.root, symlinks=True)
    moved.keepsake.touch()
    answer = moved.call("serve")
    assert not moved.keepsake.exists()
    assert any(path.startswith(str(moved.venv)) for path in answer["path"])
    assert not any(path.startswith(str(replica.root)) for path in answer["path"])


def test_only_the_project_is_installed_anew_when_its_description_changes(replica: Checkout) -> None:
    replica.keepsake.touch()
    (replica.root / "pyproject.toml").write_text(PYPROJECT + "# another line\n")
    done = replica.run("serve")
    assert [line.split(" … ")[0] for line in done.stderr.splitlines()[1:]] == ["· Forecastle itself"]
    assert replica.keepsake.exists()


def test_killed_in_the_middle_it_starts_over(checkout: Checkout) -> None:
    with subprocess.Popen(
        checkout.command("serve"), env=checkout.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as begun:
        assert begun.stderr is not None
        heard = b""
        while b"packages" not in heard:
            heard += begun.stderr.read(1)
        begun.kill()
    assert not checkout.stamp.exists()
    assert checkout.call("serve")["arguments"] == ["serve"]


def test_two_at_once_set_up_once(checkout: Checkout) -> None:
    with (
        subprocess.Popen(checkout.command("one"), env=checkout.environment(), stderr=subprocess.PIPE, text=True) as one,
        subprocess.Popen(checkout.command("two"), env=checkout.environment(), stderr=subprocess.PIPE, text=True) as two,
    ):
        told = [process.communicate(timeout=120)[1] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0)
    assert sum("an environment" in text for text in told) == 1


def test_misleading_variables_are_kept_out(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    answer = checkout.call(
        "serve",
        HOME=None,
        PYTHONHOME=elsewhere,
        PYTHONPATH=elsewhere,
        PIP_PREFIX=elsewhere,
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_TARGET=elsewhere,
        PIP_USER="1",
    )
    assert elsewhere not in answer["path"]
    assert not Path(elsewhere).exists()


def test_a_package_that_differs_from_its_hash_is_refused(checkout: Checkout) -> None:
    lock = checkout.root / "requirements" / "runtime.lock"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    done = checkout.run("serve")
    assert done.returncode == 3
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Setting up failed: 1 packages, see above.")
    assert not checkout.stamp.exists()


def test_a_place_that_cannot_be_used_is_named(checkout: Checkout) -> None:
    checkout.venv.touch()
    done = checkout.run("serve")
    assert (done.returncode, done.stderr) == (3, f"{checkout.stamp}: Not a directory\n")


def test_product_takes_the_place_of_run(settled: Checkout, tmp_path: Path) -> None:
    with subprocess.Popen(
        settled.command(), env=settled.environment(), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=120)
    answer = json.loads(output)
    assert answer["arguments"] == ["demo"]
    assert answer["pid"] == process.pid
    assert answer["cwd"] == str(tmp_path)


def test_product_tells_its_exit_code(settled: Checkout) -> None:
    assert settled.run("predict", "--fail").returncode == 7


def test_it_starts_through_a_link(settled: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "forecastle"
    link.symlink_to(settled.root / "run")
    done = subprocess.run([link, "jobs"], env=settled.environment(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["arguments"] == ["jobs"]


def test_check_runs_every_tool(settled: Checkout) -> None:
    done = settled.run("check")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "· ruff check .",
        "· ruff format --check .",
        "· mypy",
        "· lint-imports",
        "all checks passed",
    ]


def test_check_goes_on_after_a_failure_and_tells_of_it(settled: Checkout) -> None:
    done = settled.run("check", DISCONTENT="mypy")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == ["· lint-imports", "failed: mypy"]


def test_bench_runs_the_one_that_is_named(replica: Checkout) -> None:
    benchmarks = replica.root / "benchmarks"
    benchmarks.mkdir()
    (benchmarks / "speed.py").write_text(PRINT_ARGUMENTS)
    assert replica.run("bench", "speed", "--json").stdout == "--json\n"
    for arguments in ([], ["../run"], ["slowness"]):
        unknown = replica.run("bench", *arguments)
        assert unknown.returncode == 2
        assert unknown.stderr.endswith("one of: speed\n")


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_needs_no_environment(checkout: Checkout, word: str) -> None:
    done = checkout.run(word)
    assert done.returncode == 0
    assert "./run demo --once" in done.stdout
    assert not checkout.venv.exists()
