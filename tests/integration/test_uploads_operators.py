"""No operator that may be uploaded ends the process that runs it, whatever its values are."""

import subprocess
import sys

import extreme_values
import pytest

from forecastle.uploads.divisions import DIVIDING
from forecastle.uploads.operators import ALLOWED, STANDARD

MANY = 50


def run(kind: str, *operators: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, extreme_values.__file__, kind, *operators]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["INT32", "INT64", "FLOAT", "DOUBLE"])
def test_no_extreme_value_ends_the_process(kind: str) -> None:
    done = run(kind, *sorted(ALLOWED[STANDARD] - DIVIDING))
    assert done.returncode == 0, done.stdout.splitlines()[-1]
    assert done.stdout.count("ran ") >= MANY
