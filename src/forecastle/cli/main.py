"""The root command: its sub-commands, and how an error ends it."""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from forecastle import __version__
from forecastle.cli.console import Exit, err, exit_code
from forecastle.errors import ForecastleError
from forecastle.settings import load_settings
from forecastle.telemetry.logs import configure_logs

#: In the order of the help. A module has an `app` of several commands, or the command itself.
COMMANDS = (
    "demo",
    "serve",
    "runner",
    "data",
    "features",
    "train",
    "retrain",
    "evolve",
    "searches",
    "check",
    "jobs",
    "models",
    "predict",
    "user",
    "db",
    "config",
)


def command_line(wanted: Sequence[str] = ()) -> typer.Typer:
    """The root with the commands that are wanted, or with all where none is: each takes its time to import."""
    root = typer.Typer(
        name="forecastle",
        help="Data in, models that equal their training, durable predictions out.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_options)
    for name in [name for name in COMMANDS if name in wanted] or COMMANDS:
        module = import_module(f"forecastle.cli.{name}")
        if hasattr(module, "app"):
            root.add_typer(module.app, name=name)
        else:
            root.command(name)(getattr(module, name))
    return root


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    *, version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")
) -> None:
    """Data in, models that equal their training, durable predictions out."""


def main() -> None:
    """Run the command line; every error ends as one line on stderr and the exit code of its kind."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        configure_logs(load_settings().log)
        result = command_line(arguments[:1])(arguments, standalone_mode=False)
    except ForecastleError as error:
        return _fail(error.message, exit_code(error))
    except TyperException as error:
        return _fail(error.format_message(), Exit.USAGE)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", Exit.BUG)
    except BrokenPipeError:
        return Exit.OK
    return result if isinstance(result, int) else Exit.OK


def _fail(message: str, code: Exit) -> int:
    err.print(f"[bold red]error:[/] {escape(message)}", markup=True, highlight=False, soft_wrap=True)
    return code
