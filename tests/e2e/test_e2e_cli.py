"""The command line: what it says of itself, its exit codes, its JSON."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from forecastle.cli.main import command_line

Cli = Callable[..., subprocess.CompletedProcess[str]]


def _commands(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The command and all below it, by what one types to reach them."""
    found = {path: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= _commands(child, (*path, name))
    return found


APP = command_line()
COMMANDS = _commands(typer.main.get_command(APP))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(("forecastle", *path)))
def test_help_equals_its_snapshot(path: tuple[str, ...], equals_snapshot: Callable[[str, str], None]) -> None:
    name = " ".join(("forecastle", *path))
    shown = CliRunner().invoke(APP, [*path, "--help"], prog_name="forecastle", env={"COLUMNS": "100"})
    assert shown.exit_code == 0
    equals_snapshot(f"help/{name.replace(' ', '-')}.txt", shown.stdout)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(("forecastle", *path)))
def test_a_command_says_what_it_and_each_of_its_options_does(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name


@pytest.fixture(scope="module")
def used_home(
    tmp_path_factory: pytest.TempPathFactory,
    cli_at: Cli,
    bars_csv: bytes,
    homes_csv: bytes,
    bars_recipe: Mapping[str, Any],
    homes_recipe: Mapping[str, Any],
) -> Path:
    """A home with two tables and two models, made by the command line alone, without any server."""
    home = tmp_path_factory.mktemp("cli")
    (home / "bars.csv").write_bytes(bars_csv)
    (home / "homes.csv").write_bytes(homes_csv)
    (home / "bars.json").write_text(json.dumps(dict(bars_recipe)))
    (home / "homes.toml").write_text(_toml(homes_recipe))
    for arguments in (
        ("data", "add", "bars.csv", "--name", "bars", "--time", "date", "--key", "ticker"),
        ("data", "add", "homes.csv", "--name", "homes"),
        ("train", "bars.json", "homes.toml"),
    ):
        done = cli_at(home, *arguments)
        assert done.returncode == 0, done.stderr
    return home


def _toml(recipe: Mapping[str, Any]) -> str:
    plain = "".join(f"{name} = {json.dumps(value)}\n" for name, value in recipe.items() if not isinstance(value, dict))
    tables = "".join(
        f"[{name}]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in table.items())
        for name, table in recipe.items()
        if isinstance(table, dict)
    )
    return plain + tables


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("data", "list"), "bars"),
        (("data", "show", "bars"), "ticker"),
        (("data", "rows", "homes", "--limit", "3"), "area"),
        (("features", "list"), "sma"),
        (("features", "preview", "bars", "sma(close, 3)"), "sma(close, 3)"),
        (("jobs", "list"), "completed"),
        (("models", "list"), "bars-ridge"),
        (("models", "list", "--sort", "skill"), "bars-ridge"),
        (("models", "lineage", "bars-ridge"), "bars-ridge"),
        (("predict", "bars-ridge", "--key", "ticker=AAA", "--time", "2024-07-18"), "prediction"),
        (("user", "list"), "admin"),
        (("db", "current"), ""),
        (("config", "show"), "FORECASTLE_HOME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_on_stdout_and_nothing_else(
    used_home: Path, cli_here: Cli, arguments: tuple[str, ...], expected: str
) -> None:
    as_json = cli_here(used_home, *arguments, "--json")
    assert as_json.returncode == 0, as_json.stderr
    assert expected in json.dumps(json.loads(as_json.stdout))
    for_people = cli_here(used_home, *arguments)
    assert for_people.returncode == 0, for_people.stderr
    assert for_people.stdout
    assert "\x1b[" not in for_people.stdout + for_people.stderr


def test_the_version(cli: Cli) -> None:
    shown = cli("--version")
    assert shown.returncode == 0
    assert shown.stdout.count(".") == 2


def test_the_first_admin_is_shown_once(tmp_path: Path, cli_here: Cli) -> None:
    first, second = (cli_here(tmp_path, "user", "list", "--json") for _ in range(2))
    assert "password" in first.stderr
    assert "password" not in second.stderr
    assert [user["username"] for user in json.loads(second.stdout)] == ["admin"]


def test_a_model_of_the_command_line_is_recognised_by_it(used_home: Path, cli_here: Cli) -> None:
    again = json.loads(cli_here(used_home, "train", "bars.json", "--json").stdout)
    assert again[0]["duplicate"] is True
    assert again[0]["status"] == "completed"


def test_the_home_is_private(used_home: Path) -> None:
    assert (used_home / "token.key").stat().st_mode & 0o077 == 0
