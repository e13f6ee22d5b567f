"""`db`: the schema of the database and its health."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from forecastle.cli.console import JsonFlag, emit_json, emit_table, hint
from forecastle.db import Database, migrate, open_database, schema
from forecastle.errors import BadInput, NotFound
from forecastle.settings import load_settings

app = typer.Typer(help="The database.", no_args_is_help=True)

T = TypeVar("T")


@app.command("upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(help="Up to this revision.")] = "head", *, as_json: JsonFlag = False
) -> None:
    """Apply the migrations that are missing."""
    _migrate(lambda database: migrate.upgrade(database, revision), as_json=as_json)


@app.command("downgrade")
def downgrade(
    revision: Annotated[str, typer.Argument(help="Down to this revision; `base` removes every table.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Undo migrations; the rows of the tables they made are lost."""
    if not yes:
        typer.confirm(f"Go down to {revision} and lose what was added since?", abort=True, err=True)
    _migrate(lambda database: migrate.downgrade(database, revision), as_json=as_json)


@app.command("current")
def current(*, as_json: JsonFlag = False) -> None:
    """The revision that the database is at, and those it lacks."""
    _report(_run(_state), as_json=as_json)


@app.command("check")
def check(*, as_json: JsonFlag = False) -> None:
    """Whether the database answers, and what state its schema is in."""

    async def work(database: Database) -> dict[str, object]:
        await database.ping()
        return await _state(database)

    state = _run(work)
    _report(state, as_json=as_json)
    if state["pending"]:
        hint("bring it up to date: forecastle db upgrade")


def _migrate(change: Callable[[Database], Awaitable[None]], *, as_json: bool) -> None:
    async def work(database: Database) -> dict[str, object]:
        try:
            await change(database)
        except BadInput as error:  # a revision is a name too: one that does not exist is not found
            raise NotFound(error.message) from error
        return await _state(database)

    _report(_run(work), as_json=as_json)


async def _state(database: Database) -> dict[str, object]:
    return {
        "database": database.url.render_as_string(hide_password=True),
        "revision": await schema.current(database),
        "pending": await migrate.pending(database),
    }


def _run(work: Callable[[Database], Awaitable[T]]) -> T:
    """Do `work` with the database alone: nothing is migrated and nobody is made."""

    async def with_database() -> T:
        settings = load_settings()
        async with open_database(settings.database, home=settings.home) as database:
            return await work(database)

    return asyncio.run(with_database())


def _report(state: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        emit_json(state)
    else:
        emit_table(list(state), [[", ".join(value) if isinstance(value, tuple) else value for value in state.values()]])
