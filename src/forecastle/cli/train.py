"""`train`: submit recipes, batches and searches, and see them through."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.bootstrap import Stores
from forecastle.cli import hunts, trainings
from forecastle.cli.console import Exit, JsonFlag, about, emit_json, existing, run
from forecastle.cli.hunts import Hunt
from forecastle.cli.terms import MemoryOption, PriorityOption, TimeoutOption
from forecastle.cli.trainings import Training
from forecastle.cli.watching import see_through
from forecastle.jobs.job import NO_TERMS, Terms
from forecastle.training import submit
from forecastle.training.batch import is_batch, parse_batch, submit_batch
from forecastle.training.documents import read_document
from forecastle.training.recipe import Recipe
from forecastle.training.search.document import is_search, parse_search
from forecastle.training.search.start import CheckedSearch, begin_search, check_search, get_going

Work: TypeAlias = "Training | Hunt"


@dataclass(frozen=True, slots=True)
class File:
    """A file and what it declares."""

    path: Path
    document: dict[str, Any]
    recipes: tuple[Recipe, ...]
    """Four of a batch, none of a search."""

    @classmethod
    def read(cls, path: Path) -> "File":
        """Everything that can be said of it without its tables.

        Raises:
            BadRecipe: it cannot be read, or a field cannot be used.
        """
        document = dict(read_document(existing(path)))
        with about(path):
            if is_search(document):
                parse_search(document)
                return cls(path, document, ())
            return cls(path, document, parse_batch(document) if is_batch(document) else (Recipe.parse(document),))


def train(
    recipes: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recipes in TOML or JSON.", show_default=False)
    ],
    *,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Wait, with the progress of each, or submit only.")
    ] = True,
    priority: PriorityOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model from each recipe. A recipe that was trained before is recognised.

    A recipe with a part `search` is many: all that its space holds, or some drawn from it; the best come first. One
    with a part `batch` is four: open, close, high and low.

    When no server or runner is working on this home, the training runs here.
    """
    files = [File.read(path) for path in recipes]
    terms = NO_TERMS.but(priority=priority, timeout_s=timeout, memory_mb=memory)
    work = run(lambda stores: _train(stores, files, terms, watch=watch))
    single = [each for each in work if isinstance(each, Training)]
    searched = [each for each in work if isinstance(each, Hunt)]
    if as_json:
        emit_json([each.facts for each in work])
    else:
        if single:
            trainings.show(single)
        for hunt in searched:
            hunts.show(hunt)
    if any(each.status in {"failed", "cancelled"} for each in single) or not all(hunt.is_whole for hunt in searched):
        raise typer.Exit(Exit.PARTIAL)


async def _train(stores: Stores, files: Sequence[File], terms: Terms, *, watch: bool) -> list[Work]:
    work = await _submit(stores, files, terms)
    if watch:
        work = await see_through(stores, work)
    async with stores.database.read() as session:
        return [
            await each.with_best(session)
            if isinstance(each, Hunt)
            else await each.with_model(session, stores.artifacts)
            for each in work
        ]


async def _submit(stores: Stores, files: Sequence[File], terms: Terms) -> list[Work]:
    """All of them or, when one does not fit its tables, none; in the order of the files."""
    terms.check()
    checked: dict[int, CheckedSearch] = {}
    for place, file in enumerate(files):
        with about(file.path):
            await submit.check(stores.database, stores.tables, file.recipes)
            if is_search(file.document):
                checked[place] = await check_search(
                    stores.database, stores.tables, file.document, owner=None, now=stores.clock.now(), terms=terms
                )
    work: dict[int, list[Work]] = {}
    async with stores.database.write() as session:
        for place, file in enumerate(files):
            with about(file.path):
                if place in checked:
                    await begin_search(session, checked[place], now=stores.clock.now())
                else:
                    work[place] = await _queue(stores, session, file, terms)
    for place, search in checked.items():
        standing = await get_going(stores.database, stores.artifacts, search, now=stores.clock.now())
        work[place] = [Hunt(str(files[place].path), standing)]
    return [each for place in sorted(work) for each in work[place]]


async def _queue(stores: Stores, session: AsyncSession, file: File, terms: Terms) -> list[Work]:
    now, source = stores.clock.now(), str(file.path)
    if is_batch(file.document):
        made = await submit_batch(session, file.recipes, owner=None, now=now, terms=terms)
        pairs = zip(file.recipes, made.trainings, strict=True)
        return [Training.of(source, recipe, training, group=made.group) for recipe, training in pairs]
    (recipe,) = file.recipes
    return [
        Training.of(source, recipe, await submit.submit_training(session, recipe, owner=None, now=now, terms=terms))
    ]
