"""`config`: the settings in force and where each came from."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import typer
from pydantic import BaseModel, SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource
from sqlalchemy.engine import make_url

from forecastle.auth.keys import signing_key
from forecastle.cli.console import JsonFlag, emit_json, emit_table
from forecastle.db.engine import database_url
from forecastle.settings import Settings, load_settings

app = typer.Typer(help="The settings.", no_args_is_help=True)

PREFIX = "FORECASTLE_"
SEPARATOR = "__"
MASK = "***"

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
    """Whether the settings can be used: values, database address, signing key."""
    settings = load_settings()
    database_url(settings.database, home=settings.home)
    if settings.auth.secret is not None:
        signing_key(settings.auth, home=settings.home)
    result = {"ok": True, "home": str(settings.home)}
    if as_json:
        emit_json(result)
    else:
        emit_table(list(result), [list(result.values())])


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
        return make_url(value).render_as_string(hide_password=True)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
