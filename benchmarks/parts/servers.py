"""Servers under measurement: each pinned to one core, its memory that of all its processes, stopped at the end."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SERVER_CORE, CLIENT_CORE = 0, 1
START_S = 180.0
MB = 1024 * 1024


@dataclass(frozen=True, eq=False)
class Served:
    """A contender: how it is started, and how it is asked and answers."""

    name: str
    command: Sequence[str | Path]
    """`{port}` in it becomes a free port."""
    path: str = "/predict"
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, row: Sequence[float]) -> dict[str, Any] | None:
        """The question for one row; None where nothing is asked."""
        return {"features": list(row)}

    def answer(self, reply: Any) -> float:
        """The number in a reply."""
        return float(reply["prediction"])


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    served: Served
    url: str
    process: "subprocess.Popen[bytes]"
    start_s: float
    """From its start to its first right answer."""

    def memory_mb(self) -> float:
        """Resident memory of the process that was started."""
        return float(psutil.Process(self.process.pid).memory_info().rss / MB)

    def memory_of_all_mb(self) -> float:
        """The same of all its processes together; what they share is counted in each."""
        tree = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in [tree, *tree.children(recursive=True)]) / MB

    def ask(self, row: Sequence[float]) -> float:
        """Its answer for a row.

        Raises:
            OSError: it gives none.
        """
        return _ask(self.served, self.url, row)


@contextmanager
def running(served: Served, row: Sequence[float]) -> Iterator[Running]:
    """The contender, once it has answered for `row`."""
    port = free_port()
    command = [str(part).replace("{port}", str(port)) for part in served.command]
    environment = {
        **os.environ,
        **{name: value.replace("{port}", str(port)) for name, value in served.environment.items()},
    }
    pinned = ["taskset", "--cpu-list", str(SERVER_CORE), *command]
    log = Path(os.devnull).open("wb") if "SHOW" not in os.environ else None  # noqa: SIM115 - handed to the process
    began = time.monotonic()
    process = subprocess.Popen(
        pinned, cwd=served.folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}{served.path}"
    try:
        _await(served, url, row, process)
        yield Running(served, url, process, time.monotonic() - began)
    finally:
        _stop(process)


def _await(served: Served, url: str, row: Sequence[float], process: "subprocess.Popen[bytes]") -> None:
    while time.sleep(0.02) is None:
        try:
            _ask(served, url, row)
        except OSError as error:
            if process.poll() is not None:
                raise RuntimeError(
                    f"{served.name} ended with status {process.returncode} before it answered"
                ) from error
        else:
            return


def _ask(served: Served, url: str, row: Sequence[float]) -> float:
    body = served.body(row)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **served.headers})  # noqa: S310
    with urllib.request.urlopen(request, timeout=START_S) as reply:  # noqa: S310 - loopback
        return served.answer(json.load(reply)) if data else 0.0


def _stop(process: "subprocess.Popen[bytes]") -> None:
    tree = []
    with suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    for each in tree:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
