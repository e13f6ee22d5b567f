"""Load by wrk from the client's core: one thread, keep-alive connections, a body of its own for each request."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts.servers import CLIENT_CORE

SCRIPT = """
local requests, turn = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format(line == "" and "GET" or "POST", nil, nil, line ~= "" and line or nil)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What a server did in one window."""

    per_second: float
    p50_ms: float
    p99_ms: float


def find_wrk() -> str:
    """The program.

    Raises:
        SystemExit: it is not there.
    """
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is needed to measure (Debian, Ubuntu: apt install wrk util-linux)")
    return "wrk"


def press(url: str, bodies: Sequence[Any], *, headers: Mapping[str, str], seconds: int, connections: int = 32) -> Load:
    """Ask one body after the other (None is a GET without one), over and over.

    Raises:
        RuntimeError: a request was refused or broken: its time would mean nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "load.lua"), Path(folder, "bodies")
        script.write_text(SCRIPT)
        lines.write_text("".join(("" if body is None else json.dumps(body)) + "\n" for body in bodies))
        given = [part for item in headers.items() for part in ("-H", ": ".join(item))]
        command = [
            "taskset", "--cpu-list", str(CLIENT_CORE), find_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s",
            "--timeout", "30s", "-H", "Content-Type: application/json", *given, "-s", str(script), url, "--",
            str(lines),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.rsplit("\n", 1)[1])
    if found["refused"] or found["broken"] or not found["requests"]:
        raise RuntimeError(f"{url}: {found}")
    return Load(found["requests"] / found["microseconds"] * 1e6, found["p50"] / 1000, found["p99"] / 1000)
