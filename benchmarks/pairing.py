"""Contenders measured in turns (A B A B …), so that a machine that slows down slows them all."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE / ".peers"


@dataclass(frozen=True)
class Answer:
    """What a contender did once."""

    seconds: float
    peak_mb: float
    result: Any


@dataclass(frozen=True)
class Row:
    """One line of the table: how many times better we are, over pairs, and what is asked for."""

    name: str
    ratio: float
    low: float
    high: float
    require: float | None = None
    stretch: float | None = None
    met: bool | None = None


class Contender:
    """A process that runs a script of `contenders/` and answers one question at a time."""

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self._process = process
        self.name = name

    def ask(self, task: str, **arguments: Any) -> Answer:
        """Run a task there once.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"task": task, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()} at {task}")
        return Answer(**json.loads(line))


@contextmanager
def contender(name: str, script: str, *arguments: str, python: Path | None = None) -> Iterator[Contender]:
    """A contender, ended at the end. Without `python` it runs in our own environment."""
    command = [python or Path(sys.executable), HERE / "contenders" / script, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Contender(process, name)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def peer_python(name: str, *packages: str) -> Path:
    """The interpreter of an environment that holds a peer; made at the first use, kept beside the benchmarks."""
    folder = PEERS / name
    python = folder / "bin" / "python"
    stamp, wanted = folder / "packages.json", json.dumps(packages)
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"· an environment for {name}: {', '.join(packages)} …", file=sys.stderr, flush=True)
    base = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))
    subprocess.run([base, "-m", "venv", "--without-pip", "--clear", folder], check=True)
    install = [base, "-m", "pip", "--python", python, "install", "--quiet", "--only-binary", ":all:", *packages]
    subprocess.run(install, check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return python


def paired(
    pairs: Sequence[tuple[float, float]], name: str, *, require: float | None = None, stretch: float | None = None
) -> Row:
    """The row of (theirs, ours) seconds: the median of their ratios, and the lowest and highest."""
    ratios = sorted(theirs / ours for theirs, ours in pairs)
    middle = statistics.median(ratios)
    return Row(name, middle, ratios[0], ratios[-1], require, stretch, None if require is None else middle >= require)


def within(limit: float, found: Sequence[float], name: str) -> Row:
    """The row of a limit over what was found: the median and the range of limit / found, which must reach 1."""
    ratios = sorted(limit / each for each in found)
    middle = statistics.median(ratios)
    return Row(name, middle, ratios[0], ratios[-1], require=1.0, met=middle >= 1.0)


def show(subject: str, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Print the table to standard error's reader, and with `--json` one last line of JSON."""
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    width = max(len(row.name) for row in rows)
    print(f"\n{'':{width}}   ratio    low   high  require")
    for row in rows:
        require = f"{'' if row.require is None else f'{row.require:.2f}':>7}"
        verdict = {None: "", True: "  met", False: "  NOT MET"}[row.met]
        print(f"{row.name:{width}} {row.ratio:7.2f} {row.low:6.2f} {row.high:6.2f}  {require}{verdict}".rstrip())
    if "--json" in sys.argv:
        machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
        print(json.dumps({"subject": subject, "machine": machine, "rows": [asdict(row) for row in rows]}))
