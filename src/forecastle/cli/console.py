"""What every command shares: exit codes, output as tables or JSON, progress, and running with the services open."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from forecastle import types
from forecastle.api.first_start import show_admin_password
from forecastle.errors import (
    AccessError,
    BadInput,
    Conflict,
    DeadlineExceeded,
    ForecastleError,
    NotFound,
    SettingsError,
    TooLarge,
    Unavailable,
    printable,
)

if TYPE_CHECKING:
    from forecastle.bootstrap import Services, Stores
    from forecastle.settings import Settings

S = TypeVar("S", bound="Stores")
T = TypeVar("T")

WIDE = 10_000
out = Console(width=None if sys.stdout.isatty() else WIDE)  # what is piped is never cut
err = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    BUG = 1
    USAGE = 2
    SETTINGS = 3
    BAD_DATA = 4
    NOT_FOUND = 5
    ACCESS = 6
    CONFLICT = 7
    UNREACHABLE = 8
    TIMEOUT = 9
    PARTIAL = 10
    PROOF_FAILED = 11


EXITS: dict[type[ForecastleError], Exit] = {
    SettingsError: Exit.SETTINGS,
    BadInput: Exit.BAD_DATA,
    TooLarge: Exit.BAD_DATA,
    NotFound: Exit.NOT_FOUND,
    AccessError: Exit.ACCESS,
    Conflict: Exit.CONFLICT,
    Unavailable: Exit.UNREACHABLE,
    DeadlineExceeded: Exit.TIMEOUT,
    ForecastleError: Exit.BUG,
}


def show_error(message: str) -> None:
    """Say on stderr, in one line, what is wrong."""
    err.print(f"[bold red]error:[/] {escape(message)}", markup=True, highlight=False, soft_wrap=True)


def existing(path: Path) -> Path:
    """The path, if there is something.

    Raises:
        NotFound: there is not. Whatever else is wrong with it, whoever reads it will say.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{path}: no such file") from error
    except OSError:
        return path
    return path


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Errors inside begin with the file that they are about."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{path}: {error}", problems=error.problems) from error
    except NotFound as error:
        raise NotFound(f"{path}: {error}") from error


def exit_code(error: ForecastleError) -> Exit:
    """The code of the nearest class in the error's ancestry that has one."""
    return next(EXITS[kind] for kind in type(error).__mro__ if kind in EXITS)


def run(work: "Callable[[Stores], Awaitable[T]]") -> T:
    """Do `work` with the stores of the configured home open, the schema up to date and an admin there."""
    from forecastle.bootstrap import open_stores  # noqa: PLC0415 - a second that the help does without

    return asyncio.run(_with(open_stores, work))


def run_serving(work: "Callable[[Services], Awaitable[T]]") -> T:
    """The same with all that predictions need."""
    from forecastle.bootstrap import open_services  # noqa: PLC0415

    return asyncio.run(_with(open_services, work))


async def _with(
    opening: "Callable[[Settings], AbstractAsyncContextManager[S]]", work: "Callable[[S], Awaitable[T]]"
) -> T:
    from forecastle.bootstrap import prepare  # noqa: PLC0415
    from forecastle.settings import load_settings  # noqa: PLC0415

    async with opening(load_settings()) as opened:
        password = await prepare(opened)
        if password is not None:
            show_admin_password(password)
        return await work(opened)


def plain(value: object) -> Any:
    """`value` as JSON types: dataclasses and structs become objects, times ISO texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, (datetime, date)) else value


def emit_json(value: object) -> None:
    """Print `value` as JSON on stdout."""
    sys.stdout.write(json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows under a header on stdout; a missing value is a dash."""
    headers = (Column(Text(printable(column))) for column in columns)
    table = Table(*headers, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text("-" if cell is None else printable(str(cell))) for cell in row))
    with out.capture() as captured:
        out.print(table)
    out.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def hint(text: str) -> None:
    """Say what one would do next, on stderr."""
    err.print(f"[dim]→ {escape(text)}[/]", highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str) -> Iterator[types.Progress]:
    """A progress bar on stderr, shown on a terminal only; yields the function to report to."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=1.0)

        def report(share: float, message: str) -> None:
            bar.update(task, completed=share, description=f"{title} · {message}" if message else title)

        yield report
