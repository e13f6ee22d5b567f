"""Forecastle with one command.

    ./run                     set up once, then the demonstration: train, serve, show where to look
    ./run demo --once         the same in a throw-away home; stops by itself, its last line is JSON
    ./run COMMAND [...]       any command of Forecastle: serve, data, features, train, models, predict, ...
    ./run COMMAND --help      what that command takes

For those who change it:

    ./run test [ARGUMENTS]    the tests; --real-data DIR adds those on real files, the rest goes to pytest
    ./run check               lint, format, types and import contracts; `./run check leakage ...` is the product's own
    ./run bench NAME          one of benchmarks/
    ./run lock [--upgrade]    resolve the dependencies and write requirements/*.lock again

The first start makes .venv beside this file from hashed locks; the later ones only look at its stamp.
It needs Python 3.11 or newer with pip and nothing else: no venv package, no compiler.
"""

import sys

REQUIRED = (3, 11)
if sys.version_info < REQUIRED:  # before anything that an older Python cannot do
    sys.exit("Forecastle needs Python 3.11 or newer; this is " + sys.version.split()[0])

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "forecastle.stamp"
LOCK = VENV / "forecastle.lock"
BENCHMARKS = ROOT / "benchmarks"
NATIVE = ROOT / "src" / "forecastle" / "features" / "functions" / "native"

USAGE_EXIT = 2
ENVIRONMENT_EXIT = 3
INTERRUPTED_EXIT = 130

CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))

# What would lead Python or pip away from the environment made here, or have every start compile everything anew.
MISLEADING = {
    "PYTHONDONTWRITEBYTECODE",
    *("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "__PYVENV_LAUNCHER__"),
    *("PIP_CONSTRAINT", "PIP_DRY_RUN", "PIP_NO_DEPS", "PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET"),
}
PIP_SETTINGS = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_USER": "0",
}
FIND_PIP = """
import importlib.util, pathlib
installed, bundled = map(importlib.util.find_spec, ("pip", "ensurepip"))
if installed:
    print(pathlib.Path(installed.origin).parent)
elif bundled:
    print(*pathlib.Path(bundled.origin).parent.glob("_bundled/pip-*.whl"))
"""


class SetUpFailed(Exception):
    """The environment could not be made."""


def main(arguments: list[str]) -> int:
    """Do what `./run` was asked for."""
    name, *rest = arguments or ["demo"]
    try:
        command = COMMANDS.get(name)
        return command(rest) if command else product([name, *rest])
    except SetUpFailed as failure:
        say(f"Setting up failed: {failure}. What was begun is redone at the next start.")
    except OSError as error:
        say(f"{error.filename or VENV}: {error.strerror}")
    except KeyboardInterrupt:
        say("\nInterrupted. What was begun is redone at the next start.")
        return INTERRUPTED_EXIT
    return ENVIRONMENT_EXIT


# What can be asked for


def usage(_arguments: list[str]) -> int:
    """Print what can be asked for."""
    sys.stdout.write(__doc__)
    return 0


def product(arguments: list[str]) -> NoReturn:
    """Become the product's own command line."""
    prepare("runtime")
    become(VENV / "bin" / "forecastle", *arguments)


def test(arguments: list[str]) -> NoReturn:
    """Become pytest, in the checkout."""
    prepare("dev")
    os.chdir(ROOT)
    become(PYTHON, "-m", "pytest", *joined(arguments))


def joined(arguments: Iterable[str]) -> Iterator[str]:
    """`--real-data DIR` as one word: until pytest has read who declares the option, DIR looks like a path of tests."""
    words = iter(arguments)
    for word in words:
        value = next(words, None) if word == "--real-data" else None
        yield word if value is None else f"{word}={value}"


def check(arguments: list[str]) -> int:
    """Run every static check, the later ones even when an earlier one fails; with arguments, the product's `check`."""
    if arguments:
        product(["check", *arguments])
    prepare("dev")
    failed = [" ".join(tool) for tool in CHECKS if not passes(*tool)]
    say(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def passes(name: str, *arguments: str) -> bool:
    """Whether one of the environment's tools is content with the checkout."""
    say(" ".join(["·", name, *arguments]))
    done = subprocess.run([VENV / "bin" / name, *arguments], cwd=ROOT, env=clean_environment(), check=False)
    return done.returncode == 0


def bench(arguments: list[str]) -> int:
    """Become one of the benchmarks."""
    known = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    if arguments and arguments[0] in known:
        prepare("dev")
        become(PYTHON, BENCHMARKS / f"{arguments[0]}.py", *arguments[1:])
    say(f"./run bench NAME, where NAME is one of: {', '.join(known) or '(there are none yet)'}")
    return USAGE_EXIT


def lock(arguments: list[str]) -> int:
    """Resolve the dependencies anew; what is locked stays as it is where it can, unless `--upgrade` is given."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        make_venv(Path(folder))
        install("the resolver", "uv>=0.9", python=python)
        for group, dependencies in (("runtime", "build"), ("dev", "dev")):
            resolve(python.with_name("uv"), dependencies, into=lock_file(group), extra=arguments)
    return 0


def resolve(uv: Path, dependencies: str, *, into: Path, extra: list[str]) -> None:
    """Write one lock file, good for every platform and for each supported Python."""
    target = ["--universal", "--python-version", ".".join(map(str, REQUIRED)), "--generate-hashes", "--no-annotate"]
    source = ["pyproject.toml", "--group", dependencies, "--custom-compile-command", "./run lock"]
    quietly(into.name, uv, "pip", "compile", "-q", *target, *source, *extra, "-o", into.relative_to(ROOT))


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    **dict.fromkeys(("help", "-h", "--help"), usage),
    "test": test,
    "check": check,
    "bench": bench,
    "lock": lock,
}


# The environment and its stamp: a line for the packages it holds, a line for the project put into it


def prepare(group: str) -> None:
    """See to it that the environment holds what `group` needs and that nobody else is at it."""
    if ready(group):
        return
    with alone():
        if not ready(group):
            set_up(group)


def ready(group: str) -> bool:
    """Whether the environment is finished and up to date."""
    return holds(group) and stamped()[1:] == [project_hash()]


def holds(group: str) -> bool:
    """Whether the environment has a group's packages and an interpreter that starts; dev includes runtime."""
    return stamped()[:1] in ([packages_hash(group)], [packages_hash("dev")]) and starts()


def set_up(group: str) -> None:
    """Make or complete the environment; each step is stamped, so that an interruption costs that step alone."""
    say(f"Setting up {VENV}, once:")
    if not holds(group):
        if not holds("runtime"):
            clear()
            make_venv(VENV)
        STAMP.unlink(missing_ok=True)
        install_packages(group)
        stamp(packages_hash(group))
    install("Forecastle itself", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp(stamped()[0], project_hash())


def install_packages(group: str) -> None:
    """Install what a lock file says, and nothing that differs by a bit or would have to be compiled."""
    path = lock_file(group)
    count = sum(line[:1].isalnum() for line in path.read_text(encoding="utf-8").splitlines())
    install(f"{count} packages", "--require-hashes", "--only-binary", ":all:", "--requirement", str(path))


def starts() -> bool:
    """Whether the environment's interpreter works; one that is running this does."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return True
    try:
        return subprocess.run([PYTHON, "-S", "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def stamped() -> list[str]:
    """The lines of the stamp; none when nothing is finished."""
    try:
        return STAMP.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def stamp(*lines: str) -> None:
    """Write the stamp in one piece."""
    draft = STAMP.with_suffix(".draft")
    draft.write_text("\n".join(lines), encoding="utf-8")
    draft.replace(STAMP)


def packages_hash(group: str) -> str:
    """What an environment depends on: its lock, the interpreter, and its place, for its scripts name it."""
    return digest(lock_file(group).read_bytes(), sys.implementation.cache_tag, os.uname().machine, ROOT)


def project_hash() -> str:
    """What the installation of the project itself depends on."""
    sources = [ROOT / "pyproject.toml", ROOT / "hatch_build.py", *sorted(NATIVE.glob("*.[ch]"))]
    return digest(*(path.read_bytes() for path in sources))


def digest(*parts: object) -> str:
    """SHA-256 of several things, kept apart."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def lock_file(group: str) -> Path:
    """The hashed requirements of a group."""
    return ROOT / "requirements" / f"{group}.lock"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other set-ups of this checkout waiting; inherited, so that an orphaned pip keeps them waiting too."""
    VENV.mkdir(exist_ok=True)
    with LOCK.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another ./run that is setting up this checkout …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clear() -> None:
    """Empty the environment, stamp first, down to the lock that is being held."""
    STAMP.unlink(missing_ok=True)
    for path in VENV.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != LOCK:
            path.unlink()


# Steps: other programs, run quietly


def make_venv(folder: Path) -> None:
    """Make an environment without pip in it: systems that split Python up lack the module that would put it there."""
    quietly("an environment", base_python(), "-m", "venv", "--without-pip", folder)


def install(title: str, *arguments: str, python: Path = PYTHON) -> None:
    """Install into an environment with this Python's own pip, run by that environment's interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        search_path = pip_alone(Path(folder))
        settings = {**PIP_SETTINGS, "PYTHONPATH": str(search_path)}
        quietly(title, python, "-P", "-m", "pip", "install", *arguments, settings=settings)


def pip_alone(folder: Path) -> Path:
    """A search path on which pip stands and nothing of what is installed beside it."""
    found = subprocess.run(
        [base_python(), "-c", FIND_PIP], env=clean_environment(), check=True, capture_output=True, text=True
    ).stdout.strip()
    if not found:
        raise SetUpFailed(f"{base_python()} has no pip; install it (Debian, Ubuntu: python3-pip)")
    if found.endswith(".whl"):
        return Path(found)
    (folder / "pip").symlink_to(found)
    return folder


def base_python() -> Path:
    """The interpreter that the environment is made from, also when the environment's own runs this."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))
    return Path(sys.executable)


def clean_environment() -> dict[str, str]:
    """The variables to run programs with."""
    return {name: value for name, value in os.environ.items() if name not in MISLEADING}


def quietly(title: str, *command: str | Path, settings: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a step in one line of progress; what it printed is shown only when it fails.

    Raises:
        SetUpFailed: the step ended with another code than 0.
    """
    started = time.monotonic()
    say(f"· {title} … ", end="")
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**clean_environment(), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
    ) as process:
        output = "".join(watched(process.stdout or (), title))
    if process.returncode:
        say(f"failed\n\n{output.rstrip()}\n")
        raise SetUpFailed(f"{title}, see above")
    say(f"{time.monotonic() - started:.1f} s")


def watched(lines: Iterable[str], title: str) -> Iterator[str]:
    """Pass lines on, counting on a terminal the packages that pip says it is collecting."""
    collected = 0
    for line in lines:
        if line.startswith("Collecting ") and sys.stderr.isatty():
            collected += 1
            say(f"\r\x1b[K· {title} … {collected} ", end="")
        yield line


def say(text: str, end: str = "\n") -> None:
    """Tell the person at the terminal; standard output is for results."""
    print(text, end=end, file=sys.stderr, flush=True)


def become(program: Path, *arguments: str | Path) -> NoReturn:
    """Replace this process, so that signals and the exit code are the program's own."""
    os.execve(program, [str(part) for part in (program, *arguments)], clean_environment())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
