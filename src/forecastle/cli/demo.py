"""`demo`: from two tables to served predictions, through the HTTP interface, on this machine."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from forecastle.cli.console import Exit, emit_table, err, run
from forecastle.cli.demo_data import MARKET, MEASUREMENTS, PATIENTS, RECIPES, TABLES
from forecastle.cli.listening import listen
from forecastle.errors import Conflict, DeadlineExceeded, ForecastleError, Unavailable

if TYPE_CHECKING:
    from forecastle.bootstrap import Stores

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
TRAINING_TIMEOUT_S = 600.0
POLL_S = 0.1
SUBMITTED_TWICE = 3
"""How many of the recipes are submitted a second time, to be recognised."""
ENDED = {"completed", "failed", "cancelled"}


def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Use a throw-away home and a free port, stop at the end, print a JSON line.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; another if it is taken.")] = 8000,
) -> None:
    """Train on a real and a synthetic table, serve, predict, and show where to look."""
    if not once:
        _tour(_free_port(port), stay=True)
        return
    with tempfile.TemporaryDirectory(prefix="forecastle-demo-") as home:
        os.environ["FORECASTLE_HOME"] = home
        summary = _tour(_free_port(0), stay=False)
    sys.stdout.write(json.dumps(summary) + "\n")
    if not summary["ok"]:
        raise typer.Exit(Exit.PARTIAL)


@dataclass(frozen=True, slots=True)
class Training:
    """What the answer to a submission said."""

    name: str
    job_id: str
    model_id: str
    duplicate: bool


def _tour(port: int, *, stay: bool) -> dict[str, Any]:
    started = time.monotonic()
    with _server(port) as (process, http):
        http.headers["Authorization"] = f"Bearer {run(_admin_token)}"  # made while the server starts
        _await_ready(process, http)
        _add_tables(http)
        trainings = [_submit(http, recipe) for recipe in RECIPES]
        _watch(http, trainings)
        again = [_submit(http, recipe) for recipe in RECIPES[:SUBMITTED_TWICE]]
        models = [_call(http, "GET", f"/models/{training.model_id}") for training in trainings]
        predictions = [_predict(http, model) for model in models]
        _show_leaderboard(models, predictions)
        summary = {
            "models_trained": len(models),
            "duplicates": sum(training.duplicate for training in again),
            "predictions": len(predictions),
            "seconds": round(time.monotonic() - started, 2),
            "ok": all(training.duplicate for training in again),
        }
        _show_summary(summary)
        if stay:
            _invite(http, models[0])
            with suppress(KeyboardInterrupt):
                process.wait()
    return summary


async def _admin_token(stores: "Stores") -> str:
    from forecastle.auth import users  # noqa: PLC0415 - imported while the server starts, not before

    async with stores.database.read() as session:
        return stores.tokens.issue(await users.oldest_admin(session))


def _free_port(preferred: int) -> int:
    """`preferred` if it is free, else any port that is."""
    try:
        with listen("127.0.0.1", preferred) as listener:
            return int(listener.getsockname()[1])
    except Conflict:
        return _free_port(0)


@contextmanager
def _server(port: int) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A server that starts in a process of its own; stopped at the end."""
    command = [sys.executable, "-m", "forecastle", "serve", "--host", "127.0.0.1", "--port", str(port)]
    readable = {"FORECASTLE_LOG__LEVEL": "warning", "FORECASTLE_LOG__FORMAT": "console"}
    process = subprocess.Popen(command, env=readable | os.environ)  # noqa: S603 - our own command
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield process, http
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], http: httpx.Client) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"the server ended at its start with exit code {process.returncode}")
        with suppress(httpx.TransportError):
            if http.get("/readyz").is_success:
                return
        time.sleep(POLL_S)
    raise DeadlineExceeded(f"the server was not ready within {START_TIMEOUT_S:.0f} s")


def _call(http: httpx.Client, method: str, path: str, **content: Any) -> Any:
    """The JSON answer of one request.

    Raises:
        ForecastleError: the server refused it; carries the server's own words.
    """
    response = http.request(method, f"/api/v1{path}", **content)
    if not response.is_success:
        raise ForecastleError(f"{method} {path}: {response.json().get('detail', response.text)}")
    return response.json()


def _add_tables(http: httpx.Client) -> None:
    known = {dataset["name"] for dataset in _call(http, "GET", "/datasets")["items"]}
    for name, (what, content, options) in TABLES.items():
        if name not in known:
            file = {"file": (f"{name}.csv", content(), "text/csv")}
            _call(http, "POST", "/datasets", data={"name": name, **options}, files=file)
        err.print(f"[green]✓[/] dataset [bold]{name}[/] ({what})", highlight=False)


def _submit(http: httpx.Client, recipe: Mapping[str, Any]) -> Training:
    answer = _call(http, "POST", "/train", json=recipe)
    return Training(recipe["name"], answer["job_id"], answer["model_id"], answer["duplicate"])


def _watch(http: httpx.Client, trainings: Sequence[Training]) -> None:
    """Wait for the jobs, showing how far each is."""
    deadline = time.monotonic() + TRAINING_TIMEOUT_S
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task("training on every core", total=len(trainings))
        pending = {training.job_id: training.name for training in trainings}
        while pending:
            for job_id in list(pending):
                job = _call(http, "GET", f"/jobs/{job_id}")
                if job["status"] in ENDED:
                    _report_end(job, pending.pop(job_id))
            running = ", ".join(list(pending.values())[:2])
            progress.update(bar, completed=len(trainings) - len(pending), description=f"training {running}".strip())
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"still training after {TRAINING_TIMEOUT_S:.0f} s: {running}")
            time.sleep(POLL_S)


def _report_end(job: Mapping[str, Any], name: str) -> None:
    if job["status"] != "completed":
        raise ForecastleError(f"training {name} {job['status']}: {job['error']}")


def _example(model: Mapping[str, Any]) -> dict[str, Any]:
    """A request that this model answers."""
    if model["dataset"] == MARKET:
        return {"model": model["id"], "key": {"ticker": "SYNA"}, "time": "2024-01-31"}
    patient = [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]
    return {"model": model["id"], "features": dict(zip(MEASUREMENTS, patient, strict=True))}


def _predict(http: httpx.Client, model: Mapping[str, Any]) -> Any:
    return _call(http, "POST", "/predict", json=_example(model))


def _show_leaderboard(models: Sequence[Mapping[str, Any]], predictions: Sequence[Mapping[str, Any]]) -> None:
    for dataset in (PATIENTS, MARKET):
        rows = []
        for model, prediction in zip(models, predictions, strict=True):
            if model["dataset"] == dataset:
                rows.append((model["name"], *_score(model), _short(prediction["prediction"])))
        emit_table(
            ("model", "measure", "out of sample", "baseline", "its prediction for one row"), rows, title=f"\n{dataset}"
        )


def _score(model: Mapping[str, Any]) -> tuple[str, str, str]:
    """The headline measure, its value out of sample and the best naive forecast's."""
    measure = "log_loss" if model["task"] == "classification" else "rmse"
    best = min(baseline[measure] for baseline in model["baselines"].values())
    return measure, _short(model["metrics"][measure]), _short(best)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.5g}"


def _show_summary(summary: Mapping[str, Any]) -> None:
    err.print(
        f"\n{summary['models_trained']} models, {summary['duplicates']} repeated submissions recognised without"
        f" training, {summary['predictions']} predictions served and stored, {summary['seconds']} s",
        highlight=False,
        soft_wrap=True,
    )


def _invite(http: httpx.Client, model: Mapping[str, Any]) -> None:
    body = json.dumps(_example(model))
    err.print(f"\nLook around: [bold]{http.base_url}/docs[/]   Ask for a prediction:\n", highlight=False)
    sys.stdout.write(
        f"curl -s {http.base_url}/api/v1/predict -H 'Authorization: {http.headers['Authorization']}'"
        f" -H 'Content-Type: application/json' -d '{body}'\n\n"
    )
    sys.stdout.flush()
    err.print("[dim]Stop with Ctrl-C.[/]")
