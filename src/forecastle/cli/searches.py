"""`searches`: what was searched for, and how often one tried."""

from typing import Annotated

import typer

from forecastle.bootstrap import Stores
from forecastle.cli import hunts
from forecastle.cli.console import Exit, JsonFlag, emit_json, emit_table, hint, run
from forecastle.cli.hunts import Hunt
from forecastle.cli.watching import see_through
from forecastle.errors import BadInput
from forecastle.training import searches
from forecastle.training.searches import Search
from forecastle.training.states import SEARCH_STATUSES, SearchStatus
from forecastle.types import Page

app = typer.Typer(help="Searches: many recipes of one cohort, and how often one tried.", no_args_is_help=True)

SearchId = Annotated[str, typer.Argument(help="As `searches list` shows it.", show_default=False)]


@app.command("list")
def list_searches(
    status: Annotated[str | None, typer.Option(help="running, completed, failed or cancelled.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those that made the model of this id, or met it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier list ended.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Searches, the newest first."""
    wanted = _known_status(status)

    async def work(stores: Stores) -> Page[Search]:
        async with stores.database.read() as session:
            return await searches.list_searches(session, wanted, model=model, limit=limit, cursor=cursor)

    page = run(work)
    if as_json:
        emit_json(page)
        return
    emit_table(["id", "name", "method", "status", "trials at most", "metric", "created"], [_row(s) for s in page.items])
    if page.next is not None:
        hint(f"forecastle searches list --cursor {page.next}")


@app.command("show")
def show(
    search_id: SearchId,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with it, and wait until it has ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many trials, the best first.")] = hunts.SHOWN,
    as_json: JsonFlag = False,
) -> None:
    """One search: how many trials there were, what became of them, and the best."""

    async def work(stores: Stores) -> Hunt:
        async with stores.database.read() as session:
            search = await searches.get(session, search_id)
            hunt = Hunt(search_id, await searches.standing(session, search))
        if watch:
            (hunt,) = await see_through(stores, [hunt])
        async with stores.database.read() as session:
            return await hunt.with_best(session, limit=limit)

    report(run(work), as_json=as_json)


@app.command("cancel")
def cancel(search_id: SearchId, *, as_json: JsonFlag = False) -> None:
    """Cancel a search and its trials under way. Models that it made stay."""

    async def work(stores: Stores) -> Hunt:
        async with stores.database.write() as session:
            search = await searches.cancel(session, search_id, now=stores.clock.now())
            return await Hunt(search_id, await searches.standing(session, search)).with_best(session)

    hunt = run(work)
    if as_json:
        emit_json(hunt.facts)
    else:
        hunts.show(hunt)


def report(hunt: Hunt, *, as_json: bool) -> None:
    """Print a search; exits with partial success when a trial was lost."""
    if as_json:
        emit_json(hunt.facts)
    else:
        hunts.show(hunt)
    if not hunt.is_whole:
        raise typer.Exit(Exit.PARTIAL)


def _known_status(status: str | None) -> SearchStatus | None:
    for known in SEARCH_STATUSES:
        if status == known:
            return known
    if status is None:
        return None
    raise BadInput.at("status", expected=f"one of {', '.join(SEARCH_STATUSES)}", found=status)


def _row(search: Search) -> list[object]:
    created = f"{search.created_at:%Y-%m-%d %H:%M:%S}"
    return [search.id, search.name, search.method, search.status, search.planned, search.metric, created]
