"""`runner`: work the queue off in the foreground."""

import asyncio
import signal
import sys
from typing import Annotated

import typer

from forecastle.bootstrap import Stores, build_runner
from forecastle.cli.console import err, run


def runner(
    *,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is left to do.")] = False,
    until_eof: Annotated[bool, typer.Option("--until-eof", help="End when standard input does.")] = False,
) -> None:
    """Train what is submitted, until stopped. Several runners may share one database."""
    run(lambda stores: _work(stores, until_idle=until_idle, until_eof=until_eof))


async def _work(stores: Stores, *, until_idle: bool, until_eof: bool) -> None:
    stop = _stop_signals()
    if until_eof:
        asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    async with build_runner(stores) as work:
        if not until_eof:  # whoever holds the other end stops it, and has said what starts
            err.print(f"the runner works on {stores.settings.home}  (stop with Ctrl-C)", highlight=False)
        if until_idle:
            await work.run_until_idle(stop)
        else:
            await work.run_forever(stop)


def _stop_signals() -> asyncio.Event:
    """Set when this process is asked to end; what runs is put back into the queue."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
