"""`user`: the accounts of this home, without a server."""

import secrets
import sys
from typing import Annotated

import typer

from forecastle.auth import users
from forecastle.auth.users import User
from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, emit_json, emit_table, err, hint, run
from forecastle.errors import BadInput

app = typer.Typer(help="Accounts.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="Letter case makes no difference.", show_default=False)]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


@app.command("add")
def add(
    username: Username,
    role: Annotated[str, typer.Option(help="admin, user or viewer.")] = "user",
    *,
    password_stdin: FromStdin = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make up a password and print it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an account."""
    password = secrets.token_urlsafe(16) if generate else _new_password(from_stdin=password_stdin)

    async def work(stores: Stores) -> User:
        return await users.register(
            stores.database,
            stores.passwords,
            username=username,
            password=password,
            role=users.role(role),
            now=stores.clock.now(),
        )

    _show([run(work)], as_json=as_json, password=password if generate else None)


@app.command("list")
def list_all(*, as_json: JsonFlag = False) -> None:
    """All accounts, the newest first."""

    async def work(stores: Stores) -> list[User]:
        async with stores.database.read() as session:
            page = await users.list_users(session, limit=1000)
            found = list(page.items)
            while page.next is not None:
                page = await users.list_users(session, limit=1000, cursor=page.next)
                found += page.items
            return found

    found = run(work)
    if as_json:
        emit_json(found)
    else:
        _show(found, as_json=False)


@app.command("password")
def password(username: Username, *, password_stdin: FromStdin = False, as_json: JsonFlag = False) -> None:
    """Give an account another password."""
    new = _new_password(from_stdin=password_stdin)

    async def work(stores: Stores) -> User:
        return await users.set_password(stores.database, stores.passwords, username=username, password=new)

    _show([run(work)], as_json=as_json)


@app.command("remove")
def remove(
    username: Username,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove an account and its predictions."""
    if not yes:
        typer.confirm(f"Remove {username} and the predictions of that account?", abort=True, err=True)

    async def work(stores: Stores) -> User:
        async with stores.database.write() as session:
            return await users.remove(session, username)

    _show([run(work)], as_json=as_json)


@app.command("token")
def token(username: Username, *, as_json: JsonFlag = False) -> None:
    """Print an access token for an account, as a sign-in would give."""

    async def work(stores: Stores) -> tuple[str, int]:
        async with stores.database.read() as session:
            user = await users.find(session, username)
        return stores.tokens.issue(user), stores.tokens.lifetime_s

    issued, lifetime_s = run(work)
    if as_json:
        emit_json({"access_token": issued, "token_type": "bearer", "expires_in": lifetime_s})
    else:
        sys.stdout.write(f"{issued}\n")
        hint(f"valid for {lifetime_s // 60} minutes: curl -H 'Authorization: Bearer …'")


def _new_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise BadInput("no terminal to ask for the password on; give it with --password-stdin")
    given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return given


def _show(found: list[User], *, as_json: bool, password: str | None = None) -> None:
    if as_json:
        user = found[0]
        emit_json(user if password is None else {**_facts(user), "password": password})
        return
    emit_table(
        ["username", "role", "created", "id"],
        [[user.username, user.role, f"{user.created_at:%Y-%m-%d %H:%M}", user.id] for user in found],
    )
    if password is not None:
        err.print(f"password, shown only this once: [bold]{password}[/]", highlight=False)


def _facts(user: User) -> dict[str, object]:
    return {name: getattr(user, name) for name in User.__dataclass_fields__}
