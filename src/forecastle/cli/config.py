"""`config`: the settings in force and where each came from."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import typer
from pydantic import BaseModel, SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from forecastle.cli.console import JsonFlag, emit_json, emit_table, exit_code, show_error
from forecastle.cli.masking import MASK, without_password
from forecastle.settings import Settings, load_settings

if TYPE_CHECKING:
    from forecastle.cli.checks import Finding

app = typer.Typer(help="The settings.", no_args_is_help=True)

PREFIX = "FORECASTLE_"
SEPARATOR = "__"

Source = Literal["environment", ".env", "default"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the variable that sets it, its value without secrets, and where that came from."""

    variable: str
    value: str | int | float | bool | None
    source: Source


@app.command("show")
def show(*, as_json: JsonFlag = False) -> None:
    """Every setting, its variable, its value and where that came from. Secrets are masked."""
    settings = load_settings()
    environment, dotenv = EnvSettingsSource(Settings).env_vars, DotEnvSettingsSource(Settings).env_vars
    found = list(explain(settings, environment=environment.keys(), dotenv=dotenv.keys()))
    if as_json:
        emit_json(found)
    else:
        emit_table(["variable", "value", "source"], [[each.variable, each.value, each.source] for each in found])


@app.command("check")
def check(*, as_json: JsonFlag = False) -> None:
    """Whether a start would succeed: settings, home, free space, signing key, artifacts, database and its schema.

    Nothing is made or changed. The exit code is that of the first error there is: 3 for settings, 7 for a schema of a
    newer version, 8 for a database that cannot be reached or a full disk.
    """
    from forecastle.cli.checks import check_all  # noqa: PLC0415 - half a second that showing the settings does without

    settings = load_settings()
    findings = asyncio.run(check_all(settings))
    troubles = [finding.trouble for finding in findings if finding.trouble is not None]
    if as_json:
        emit_json({"ok": not troubles, "home": str(settings.home), "checks": [_facts(each) for each in findings]})
    else:
        emit_table(["check", "state", "found"], [[each.check, each.state, each.found] for each in findings])
    for trouble in troubles:
        show_error(trouble.message)
    if troubles:
        raise typer.Exit(min(exit_code(trouble) for trouble in troubles))


def _facts(finding: "Finding") -> dict[str, str | None]:
    error = None if finding.trouble is None else finding.trouble.message
    return {"check": finding.check, "state": finding.state, "found": finding.found, "error": error}


def explain(settings: Settings, *, environment: Collection[str], dotenv: Collection[str]) -> Iterator[Setting]:
    """Each setting with its source, from the lower-case names that are set; the environment wins over `.env`."""
    for path, value in _leaves(settings):
        variable = PREFIX + SEPARATOR.join(path).upper()
        names = {variable.lower(), (PREFIX + path[0]).lower()}  # a whole section may be given as JSON
        source: Source = "default" if names.isdisjoint(dotenv) else ".env"
        yield Setting(variable, _shown(value), source if names.isdisjoint(environment) else "environment")


def _leaves(section: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _shown(value: Any) -> str | int | float | bool | None:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
