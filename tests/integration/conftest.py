"""Fixtures of the integration tests: the command line in this process."""

import io
import os
from pathlib import Path

import pytest
from commands import Cli, Done

from forecastle.cli.main import invoke


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the commands; the first of them makes it."""
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli(*arguments, stdin="")`: one command in a home that is empty at first, with `tmp_path` as working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("FORECASTLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FORECASTLE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capfd.readouterr()
        code = invoke([*arguments])
        return Done(code, *capfd.readouterr())

    return run
