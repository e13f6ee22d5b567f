"""`retrain`: a model's recipe once more, on newer data or with fewer features."""

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from forecastle.bootstrap import Stores
from forecastle.cli import trainings
from forecastle.cli.console import Exit, JsonFlag, emit_json, err, run
from forecastle.cli.terms import MemoryOption, PriorityOption, TimeoutOption
from forecastle.cli.trainings import Training
from forecastle.cli.watching import see_through
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.registry import models
from forecastle.registry.describe import read_manifest
from forecastle.training import offspring, submit
from forecastle.training.offspring import Child

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Id or name.", show_default=False)]


def retrain(
    model: ModelArgument,
    dataset: Annotated[str | None, typer.Option(help="Another dataset than that of the model.")] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A feature that the child may have; once for each. Left out, it has all."),
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Wait for the model, or submit only.")] = True,
    priority: PriorityOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model's recipe on what its dataset holds now, as a new model with the old one as its parent.

    Nothing is overwritten. When nothing has changed, the model that there is is recognised.
    """
    terms = NO_TERMS.but(priority=priority, timeout_s=timeout, memory_mb=memory)

    async def work(stores: Stores) -> tuple[Training, tuple[str, ...]]:
        training, ignored = await _submit(stores, model, dataset, feature, terms)
        if watch:
            (training,) = await see_through(stores, [training])
        async with stores.database.read() as session:
            return await training.with_model(session, stores.artifacts), ignored

    training, ignored = run(work)
    if ignored:
        err.print(escape(f"there is no {', '.join(ignored)}; trained without"), highlight=False, soft_wrap=True)
    if as_json:
        emit_json(training.facts | {"features": training.recipe.features, "ignored": ignored})
    else:
        trainings.show([training])
    if training.status in {"failed", "cancelled"}:
        raise typer.Exit(Exit.PARTIAL)


async def _submit(
    stores: Stores, wanted: str, dataset: str | None, features: list[str] | None, terms: Terms
) -> tuple[Training, tuple[str, ...]]:
    async with stores.database.read() as session:
        model = await models.resolve(session, wanted)
    manifest = await asyncio.to_thread(read_manifest, stores.artifacts, model)
    child = Child(offspring.again(manifest, dataset=dataset), ())
    if features:
        recipe = offspring.inherit(manifest, {"features": features, "dataset": child.recipe.dataset})
        async with stores.database.read() as session:
            tables = await submit.look_up(session, [recipe])
        child = offspring.child(offspring.recipe_of(manifest), recipe, tables)
    await submit.check(stores.database, stores.tables, [child.recipe])
    async with stores.database.write() as session:
        made = await submit.submit_training(session, child.recipe, owner=None, now=stores.clock.now(), terms=terms)
    return Training.of(model.name, child.recipe, made), child.ignored
