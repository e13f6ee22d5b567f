"""The root command: its sub-commands, and how an error ends it."""

import sys
from collections.abc import Collection, Mapping
from importlib import import_module
from types import MappingProxyType

import typer
from typer.exceptions import TyperException

from forecastle import __version__
from forecastle.cli.console import Exit, exit_code, show_error
from forecastle.errors import DiskFull, ForecastleError

#: In the order of the help. A module of that name has an `app` of several commands, or the command itself.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "Train on a real and a synthetic table, serve, predict, and show where to look.",
        "serve": "Serve the API, and train what is submitted to it.",
        "runner": "Train what is submitted, until stopped.",
        "train": "Train a model from each recipe.",
        "retrain": "Train a model's recipe on what its dataset holds now, as a new model with the old one as its "
        "parent.",
        "evolve": "Train children of a model, each without the features that mattered least to the one before.",
        "predict": "Predict one row, and store the prediction.",
        "data": "Datasets.",
        "features": "Features: past-only expressions over a dataset.",
        "searches": "Searches: many recipes of one cohort, and how often one tried.",
        "check": "Proofs that can be repeated at any time.",
        "jobs": "What waits, runs and has ended.",
        "models": "Models: upload, leaderboard, comparison, reports, lineage, stages, removal.",
        "user": "Accounts.",
        "db": "The database.",
        "config": "The settings.",
    }
)
UNATTENDED = frozenset({"serve", "runner"})
"""Commands whose standard error is a log rather than a conversation."""


def command_line(wanted: Collection[str] = COMMANDS) -> typer.Typer:
    """The root. Only the commands that are `wanted` can be run: each takes its time to import."""
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
    for name, summary in COMMANDS.items():
        if name in wanted:
            _add(root, name)
        else:
            root.command(name, help=summary)(_not_wanted)
    return root


def _add(root: typer.Typer, name: str) -> None:
    module = import_module(f"forecastle.cli.{name}")
    if hasattr(module, "app"):
        root.add_typer(module.app, name=name)
    else:
        root.command(name)(getattr(module, name))


def _not_wanted() -> None:
    """Stands in the help for a command that this call does not run."""


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
    wanted = [argument for argument in arguments if not argument.startswith("-")][:1]
    try:
        _open_log(wanted)
        result = command_line(wanted)(arguments, standalone_mode=False)
    except ForecastleError as error:
        return _fail(error.message, exit_code(error))
    except TyperException as error:
        return _misused(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", Exit.BUG)
    except BrokenPipeError:
        return Exit.OK
    except OSError as error:
        if DiskFull.is_told_by(error):
            full = DiskFull.at(error.filename or "standard output or the home", writing="what the command writes")
            return _fail(full.message, exit_code(full))
        raise
    return result if isinstance(result, int) else Exit.OK


def _open_log(wanted: Collection[str]) -> None:
    if COMMANDS.keys().isdisjoint(wanted):
        return
    from forecastle.settings import load_settings  # noqa: PLC0415 - the help of all commands does without
    from forecastle.telemetry.logs import configure_logs  # noqa: PLC0415

    configure_logs(load_settings().log, attended=UNATTENDED.isdisjoint(wanted))


def _misused(message: str) -> Exit:
    if not message.startswith("Usage:"):
        return _fail(message, Exit.USAGE)
    sys.stderr.write(f"{message}\n")  # a group without a command is answered with its help
    return Exit.USAGE


def _fail(message: str, code: Exit) -> Exit:
    show_error(message)
    return code
