"""What every contender does: run what it is asked for, once a line, and answer with seconds and results as JSON.

It uses the standard library alone, since each contender runs in an environment of its own.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


def answer(tasks: Mapping[str, Callable[..., Any]]) -> None:
    """Serve tasks by name until standard input ends; a task's result must be JSON."""
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.perf_counter()
        result = tasks[asked["task"]](**asked["arguments"])
        seconds = time.perf_counter() - started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "result": result}), flush=True)
