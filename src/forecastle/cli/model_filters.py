"""Options that say which models are meant."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.auth import users
from forecastle.registry.leaderboard import Filters
from forecastle.serving.times import read_time

Name = Annotated[str | None, typer.Option(help="Only versions of this name.")]
Stage = Annotated[str | None, typer.Option(help="dev, staging, production or archived.")]
Task = Annotated[str | None, typer.Option(help="regression or classification.")]
Algorithm = Annotated[str | None, typer.Option(help="Only models of this algorithm.")]
Dataset = Annotated[str | None, typer.Option(help="Only models trained on this dataset.")]
Tag = Annotated[str | None, typer.Option(help="Only models with this tag.")]
Parent = Annotated[str | None, typer.Option(metavar="ID", help="Only models made from this one.")]
Cohort = Annotated[str | None, typer.Option(metavar="ID", help="Only models of this search.")]
Group = Annotated[str | None, typer.Option(metavar="ID", help="Only models of this batch.")]
Owner = Annotated[str | None, typer.Option(metavar="USERNAME", help="Only models of this user.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Made then or later, ISO 8601.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Made before then, ISO 8601.")]
Containing = Annotated[str | None, typer.Option("--text", help="Part of the name, dataset or algorithm.")]


async def read_filters(
    session: AsyncSession,
    *,
    owner: str | None = None,
    since: str | None = None,
    until: str | None = None,
    **exact: str | None,
) -> Filters:
    """The filters that some options say.

    Raises:
        UserNotFound: there is no user of that name.
        BadMoment: a time is none.
    """
    return Filters(
        owner=(await users.find(session, owner)).id if owner else None,
        since=read_time(since, field="--since") if since else None,
        until=read_time(until, field="--until") if until else None,
        **exact,
    )
