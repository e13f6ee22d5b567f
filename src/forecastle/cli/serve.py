"""`serve`: the API processes and one runner."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
import typer
import uvicorn
from rich.markup import escape
from uvicorn.supervisors import Multiprocess

from forecastle.api.server import Application
from forecastle.cli.checks import check_settings
from forecastle.cli.console import err
from forecastle.cli.listening import listen, shown
from forecastle.db.engine import database_url
from forecastle.errors import SettingsError
from forecastle.settings import Settings, load_settings

log = structlog.get_logger("forecastle.serve")

RUNNER_CHECK_S = 0.5
RUNNER_RESTART_S = 2.0
RUNNER_GRACE_S = 10.0


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None,
    processes: Annotated[int | None, typer.Option(help="API processes.")] = None,
    *,
    no_runner: Annotated[bool, typer.Option("--no-runner", help="Serve only; train elsewhere.")] = False,
) -> None:
    """Serve the API, and train what is submitted to it."""
    options = {"host": host, "port": port, "processes": processes}
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(server=given)
    _refuse_bad(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as Ctrl-C does: the runner is stopped too
    with listen(settings.server.host, settings.server.port) as listener, _runner(wanted=not no_runner):
        address, bound = listener.getsockname()[:2]
        at = f"http://{escape(shown(address))}:{bound}"
        err.print(
            f"Forecastle serves on [bold]{at}[/]  (API: /docs, stop with Ctrl-C)", highlight=False, soft_wrap=True
        )
        _serve(settings, listener)


def _refuse_bad(settings: Settings) -> None:
    """Raise now, in one line, what every process would stumble over later."""
    database_url(settings.database, home=settings.home)
    for finding in check_settings(settings):
        if isinstance(finding.trouble, SettingsError):
            raise finding.trouble


def _serve(settings: Settings, listener: socket.socket) -> None:
    server = settings.server
    config = uvicorn.Config(
        "forecastle.api.server:from_environment" if server.processes > 1 else Application(settings),
        factory=server.processes > 1,
        workers=server.processes,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(server.shutdown_grace_s),
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how one stops it
        if server.processes > 1:
            os.environ["FORECASTLE_SERVER"] = server.model_dump_json()  # the others read it from here
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _runner(*, wanted: bool) -> Iterator[None]:
    """A runner in a process of its own, started again when it dies, stopped with the server."""
    if not wanted:
        yield
        return
    stopping = threading.Event()
    keeper = threading.Thread(target=_keep_running, args=(stopping,), name="runner-keeper")
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()


def _keep_running(stopping: threading.Event) -> None:
    while not stopping.is_set():
        # the runner ends when this pipe does, so it never outlives the server, however that ends
        process = subprocess.Popen([sys.executable, "-m", "forecastle", "runner", "--until-eof"], stdin=subprocess.PIPE)
        while not stopping.wait(RUNNER_CHECK_S) and process.poll() is None:
            pass
        if stopping.is_set():
            _stop(process)
        else:
            log.error("the runner ended; starting another", exit_code=process.returncode)
            stopping.wait(RUNNER_RESTART_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(RUNNER_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
