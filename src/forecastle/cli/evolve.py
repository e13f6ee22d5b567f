"""`evolve`: children of a model with ever fewer features."""

from typing import Annotated, Any

import typer

from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, run
from forecastle.cli.hunts import Hunt
from forecastle.cli.retrain import ModelArgument
from forecastle.cli.searches import report
from forecastle.cli.terms import MemoryOption, PriorityOption, TimeoutOption
from forecastle.cli.watching import see_through
from forecastle.jobs.job import NO_TERMS
from forecastle.registry import models
from forecastle.training.search.evolve import parse_rules, start_evolution


def evolve(
    model: ModelArgument,
    generations: Annotated[int, typer.Option(min=1, max=20, help="How many at most.")] = 4,
    keep: Annotated[int, typer.Option(min=1, help="So many features are left at least.")] = 5,
    drop: Annotated[float, typer.Option(help="The share of features that goes when all of them matter.")] = 0.25,
    metric: Annotated[str | None, typer.Option(help="What the best is chosen by.  [default: rmse or log_loss]")] = None,
    promote: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Promote the best to this stage, if it is better than MODEL.")
    ] = None,
    least: Annotated[float, typer.Option(help="How much better, as a share, it must be to be promoted.")] = 0.0,
    *,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Wait for the models, or start only.")] = True,
    priority: PriorityOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train children of a model, each without the features that mattered least to the one before."""
    document: dict[str, Any] = {"generations": generations, "keep": keep, "drop": drop, "metric": metric}
    rules = parse_rules(document | {"stage": promote, "least_improvement": least})
    terms = NO_TERMS.but(priority=priority, timeout_s=timeout, memory_mb=memory)

    async def work(stores: Stores) -> Hunt:
        async with stores.database.read() as session:
            found = await models.resolve(session, model)
        standing = await start_evolution(
            stores.database,
            stores.artifacts,
            found.id,
            rules,
            owner=None,
            now=stores.clock.now(),
            terms=terms,
        )
        hunt = Hunt(model, standing)
        if watch:
            (hunt,) = await see_through(stores, [hunt])
        async with stores.database.read() as session:
            return await hunt.with_best(session)

    report(run(work), as_json=as_json)
