"""The root command: what it loads, and what it answers without loading anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forecastle.cli.main import COMMANDS, command_line, invoke


def test_the_help_is_the_same_without_the_commands() -> None:
    helped = [CliRunner().invoke(command_line(wanted), ["--help"]).stdout for wanted in ((), COMMANDS)]
    assert helped[0] == helped[1]
    assert "Train a model from each recipe." in helped[0]


def test_the_help_is_shown_whatever_the_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTLE_SERVER__PORT", "many")
    assert invoke(["--help"]) == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_without_a_command_there_is_help_and_no_error(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert invoke(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Usage:")


def test_a_misspelt_command_is_told_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["trian"]) == 2
    assert capsys.readouterr().err == "error: No such command 'trian'. Did you mean 'train', 'retrain'?\n"


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "forecastle", "features", "list"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command,
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"FORECASTLE_HOME": str(tmp_path)},
        )
    assert done.returncode == 8
    assert done.stderr.startswith("error: no space is left in standard output or the home for what the command writes")
    assert done.stderr.count("\n") == 1


LOOK_UPS = [f"forecastle.cli.{name}" for name in ("main", "data", "models", "jobs", "user", "db", "config")]


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (LOOK_UPS, ("polars", "pyarrow", "onnxruntime", "talib", "fastapi", "sklearn")),
        (["forecastle.cli.serve"], ("alembic", "pyarrow", "pebble", "sklearn")),
    ],
    ids=["look-ups", "server"],
)
def test_nothing_is_loaded_that_is_not_needed(modules: list[str], absent: tuple[str, ...]) -> None:
    code = f"import sys, {', '.join(modules)}; print(*[name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
