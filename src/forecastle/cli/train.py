"""`train`: submit recipes and see them through."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from forecastle.bootstrap import Stores, build_runner
from forecastle.cli.console import Exit, JsonFlag, emit_json, emit_table, err, existing, hint, run
from forecastle.cli.verdict import judge
from forecastle.errors import BadInput, NotFound
from forecastle.jobs import leases, lifeline, queue
from forecastle.jobs.job import Job
from forecastle.registry import models
from forecastle.registry.describe import read_manifest
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.training.order import Order
from forecastle.training.recipe import Recipe, load_recipe
from forecastle.training.submit import TrainingSubmission, place, submit_training

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Training:
    """A recipe file and what became of it."""

    path: Path
    recipe: Recipe
    submission: TrainingSubmission
    job: Job | None
    model: Model | None = None
    manifest: Manifest | None = None

    @property
    def status(self) -> str:
        """Of its job; of a model whose job is gone, completed."""
        return self.job.status if self.job else self.submission.status

    @property
    def label(self) -> str:
        """Name and algorithm."""
        return f"{self.recipe.name} · {self.recipe.algorithm}"

    @property
    def model_id(self) -> str:
        """Of the model that there is, or will be."""
        kept = self.job.result if self.job else None
        return str(kept["model_id"]) if kept else self.submission.model_id


def train(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="TOML or JSON files.", show_default=False)],
    *,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Wait for the models, or submit only.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Train a model from each recipe. A recipe that was trained before is recognised.

    When no server or runner is working on this home, the training runs here.
    """
    loaded = [(path, load_recipe(existing(path))) for path in recipes]
    trainings = run(lambda stores: _train(stores, loaded, watch=watch))
    if as_json:
        emit_json([_facts(training) for training in trainings])
    else:
        _show(trainings)
    if any(training.status in {"failed", "cancelled"} for training in trainings):
        raise typer.Exit(Exit.PARTIAL)


async def _train(stores: Stores, recipes: Sequence[tuple[Path, Recipe]], *, watch: bool) -> list[Training]:
    trainings = await _submit(stores, recipes)
    if watch and any(training.job and not training.job.ended for training in trainings):
        trainings = await _see_through(stores, trainings)
    return [await _with_model(stores, training) for training in trainings]


async def _with_model(stores: Stores, training: Training) -> Training:
    if training.status != "completed":
        return training
    async with stores.database.read() as session:
        model = await models.get(session, training.model_id)
    return replace(training, model=model, manifest=await asyncio.to_thread(read_manifest, stores.artifacts, model))


async def _submit(stores: Stores, recipes: Sequence[tuple[Path, Recipe]]) -> list[Training]:
    """All of them or, when one does not fit its tables, none."""
    orders = [await _place(stores, path, recipe) for path, recipe in recipes]
    async with stores.database.write() as session:
        made = [await submit_training(session, order, owner=None, now=stores.clock.now()) for order in orders]
    return [Training(path, recipe, each, each.job) for (path, recipe), each in zip(recipes, made, strict=True)]


async def _place(stores: Stores, path: Path, recipe: Recipe) -> Order:
    try:
        return await place(stores.database, stores.tables, recipe, now=stores.clock.now())
    except BadInput as error:
        raise BadInput(f"{path}: {error}", problems=error.problems) from error
    except NotFound as error:
        raise NotFound(f"{path}: {error}") from error


async def _see_through(stores: Stores, trainings: Sequence[Training]) -> list[Training]:
    """Wait until every job has ended; where nobody works on them, do it here."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[doing]}"),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
    async with _worked_off(stores) as work:
        with bars:
            tasks = [bars.add_task(training.label, total=1.0, doing="") for training in trainings]
            while not work.done():
                trainings = await _look(stores, trainings)
                for task, training in zip(tasks, trainings, strict=True):
                    bars.update(task, **_progress(training))
                if all(training.job is None or training.job.ended for training in trainings):
                    break
                await asyncio.sleep(POLL_S)
    return list(trainings)


def _progress(training: Training) -> dict[str, Any]:
    if training.job is None or training.status == "completed":
        return {"completed": 1.0, "doing": "known already" if training.submission.duplicate else "done"}
    return {"completed": training.job.progress, "doing": training.job.message or training.status}


async def _look(stores: Stores, trainings: Sequence[Training]) -> list[Training]:
    async with stores.database.read() as session:
        return [
            replace(training, job=await queue.get(session, training.job.id)) if training.job else training
            for training in trainings
        ]


@asynccontextmanager
async def _worked_off(stores: Stores) -> AsyncIterator[asyncio.Task[None]]:
    """While inside, someone works the queue off: a runner of this process whenever there is no other.

    The task that is yielded ends early only with the error that stopped the runner.
    """
    stop = asyncio.Event()
    work = asyncio.create_task(_stand_in(stores, stop))
    try:
        yield work
    finally:
        stop.set()
        await work


async def _stand_in(stores: Stores, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if not await _has_runner(stores):
            async with build_runner(stores) as runner:
                await runner.run_forever(stop)
        await asyncio.sleep(POLL_S)


async def _has_runner(stores: Stores) -> bool:
    async with stores.database.read() as session:
        runners = await leases.live_runners(session, now=stores.clock.now())
    return any(not lifeline.is_cut(stores.settings.home / "jobs", runner) for runner in runners)


def _facts(training: Training) -> dict[str, Any]:
    model, manifest = training.model, training.manifest
    verdict = judge(model) if model else None
    return {
        "recipe": str(training.path),
        "name": training.recipe.name,
        "algorithm": training.recipe.algorithm,
        "status": training.status,
        "duplicate": training.submission.duplicate,
        "job_id": training.job.id if training.job else None,
        "model_id": training.model_id,
        "model_name": training.submission.name,
        "fingerprint": training.submission.fingerprint,
        "version": model.version if model else None,
        "trained_rows": manifest.trained_rows if manifest else None,
        "fit_seconds": manifest.fit_seconds if manifest else None,
        "metrics": model.metrics if model else None,
        "baselines": model.baselines if model else None,
        "verdict": verdict.as_json() if verdict else None,
        "error": training.job.error if training.job else None,
    }


def _show(trainings: Sequence[Training]) -> None:
    emit_table(
        [
            *("recipe", "algorithm", "status", "trained on"),
            *("judged by", "out of sample", "best naive forecast", "verdict"),
        ],
        [_row(training) for training in trainings],
    )
    for training in trainings:
        if training.job and training.job.error:
            err.print(f"[red]✗[/] {escape(f'{training.path}: {training.job.error}')}", highlight=False, soft_wrap=True)
    made = next((training.model for training in trainings if training.model), None)
    if made:
        hint(f"forecastle models show {made.id}    forecastle predict {made.name}")
    elif all(training.job and not training.job.ended for training in trainings):
        hint("forecastle jobs list")


def _row(training: Training) -> Sequence[str | None]:
    manifest = training.manifest
    effort = f"{manifest.trained_rows:,} rows, {manifest.fit_seconds:.2f} s" if manifest else None
    return [training.recipe.name, training.recipe.algorithm, _outcome(training), effort, *_score(training.model)]


def _outcome(training: Training) -> str:
    submission = training.submission
    if not submission.duplicate:
        return training.status
    known = "known already" if submission.name == training.recipe.name else f"known as {submission.name}"
    return f"{training.status}, {known}"


def _score(model: Model | None) -> Sequence[str | None]:
    """The measure, its value, the best baseline's with its name, and which of them is better."""
    verdict = judge(model) if model else None
    if verdict is None:
        return [None] * 4
    best = f"{verdict.baseline:.5g} {verdict.baseline_name}"
    return [verdict.measure, f"{verdict.value:.5g}", best, str(verdict)]
