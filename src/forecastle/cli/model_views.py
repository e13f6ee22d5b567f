"""`models compare`, `models lineage`, `models report`: looking at models closely."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, emit_json, emit_table, err, hint, out, run
from forecastle.errors import BadInput
from forecastle.registry import lineage as relatives
from forecastle.registry import models
from forecastle.registry.compare import Comparison, Difference, Measured, check_count
from forecastle.registry.compare import compare as lay_side_by_side
from forecastle.registry.describe import read_manifest
from forecastle.registry.lineage import Kin, Lineage, Together

IdOrName = Annotated[str, typer.Argument(metavar="MODEL", help="Id or name.", show_default=False)]
IdsOrNames = Annotated[list[str], typer.Argument(metavar="MODEL...", help="Two to twenty ids or names.")]

BEST = "★"


def compare(wanted: IdsOrNames, *, as_json: JsonFlag = False) -> None:
    """Lay models side by side: what differs, the best by each measure, and whether its lead is more than luck."""

    async def work(stores: Stores) -> Comparison:
        check_count(len(wanted))
        async with stores.database.read() as session:
            found = [await models.resolve(session, each) for each in wanted]
        manifests = await asyncio.to_thread(lambda: [read_manifest(stores.artifacts, model) for model in found])
        return lay_side_by_side(list(zip(found, manifests, strict=True)))

    found = run(work)
    if as_json:
        emit_json(found)
    else:
        _show_comparison(found)


def lineage(model: IdOrName, *, as_json: JsonFlag = False) -> None:
    """Where a model comes from and what came of it, as a tree; and those made together with it."""

    async def work(stores: Stores) -> Lineage:
        async with stores.database.read() as session:
            return await relatives.trace(session, (await models.resolve(session, model)).id)

    found = run(work)
    if as_json:
        emit_json(found)
        return
    for line in _tree(found):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    for what, together in (("search", found.cohort), ("batch", found.group)):
        if together:
            _show_together(what, together)


def report(
    model: IdOrName,
    output: Annotated[
        Path | None,
        typer.Option(help="A file, or - for standard output; left out, a file named after the model."),
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Write everything about a model on one page of HTML that needs nothing but itself."""
    from forecastle.registry.report import gather, render  # noqa: PLC0415 - the other commands draw nothing

    subject = run(lambda services: gather(services.database, services.artifacts, model))
    page = render(subject)
    if output == Path("-"):
        sys.stdout.write(page)
        return
    path = output or Path(f"{subject.model.name}-{subject.model.version}.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadInput.at(
            "--output", expected="a file that can be written", found=f"{path}: {error.strerror}"
        ) from error
    if as_json:
        emit_json({"model_id": subject.model.id, "path": str(path), "bytes": len(page.encode())})
    else:
        emit_table(["report", "size"], [[path, f"{len(page.encode()) / 1000:,.0f} kB"]])


def _show_comparison(found: Comparison) -> None:
    for note in found.notes:
        err.print(f"! {note}", markup=False, highlight=False, soft_wrap=True)
    labels = [f"{each.name} {each.version}" for each in found.models]
    facts = [
        [field, *(getattr(each, field) for each in found.models)] for field in ("id", "stage", "algorithm", "task")
    ]
    emit_table(["", *labels], facts)
    emit_table(
        ["out of sample", *labels, "lead of the best"],
        [_measured(each, labels) for each in (*found.measures, *found.baselines)],
        title="\nmeasures",
    )
    features = [[each.feature, *("yes" if has else None for has in each.present)] for each in found.features]
    for title, rows in (
        ("recipe", _differences(found.recipe)),
        (f"features ({found.shared_features} are shared)", features),
        ("training", _differences(found.facts)),
        ("share of all importance", [[each.feature, *map(_share, each.shares)] for each in found.importances]),
    ):
        if rows:
            emit_table(["", *labels], rows, title=f"\n{title}")


def _differences(rows: Sequence[Difference]) -> list[list[object]]:
    return [[row.field, *(_plain(value) for value in row.values)] for row in rows]


def _measured(row: Measured, labels: Sequence[str]) -> list[object]:
    cells = [
        None if value is None else f"{value:.5g}{f' {BEST}' if position in row.best else ''}"
        for position, value in enumerate(row.values)
    ]
    lead = None
    if row.lead is not None and row.next is not None:
        lead = f"{row.lead.mean:.3g} over {labels[row.next]}: {row.lead}"
    return [row.measure, *cells, lead]


def _plain(value: object) -> str | None:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _tree(found: Lineage) -> Iterator[str]:
    """Ancestors, the oldest first, then the model, then its descendants, each below its parent."""
    depth = len(found.ancestors)
    for step, kin in enumerate(reversed(found.ancestors)):
        yield _branch(kin, step)
    yield _branch(found.model, depth, mark=" ← this one")
    children: dict[str | None, list[Kin]] = {}
    for kin in found.descendants:
        children.setdefault(kin.parent, []).append(kin)
    waiting = children.get(found.model.id, [])[::-1]
    while waiting:
        kin = waiting.pop()
        yield _branch(kin, depth + kin.generation)
        waiting += children.get(kin.id, [])[::-1]


def _branch(kin: Kin, depth: int, mark: str = "") -> str:
    joint = "   " * (depth - 1) + "└─ " if depth else ""
    return f"{joint}{_kin(kin)}{mark}"


def _kin(kin: Kin) -> str:
    if kin.removed:
        return f"{kin.id} (removed)"
    skill = "" if kin.skill is None else f", skill {kin.skill:+.1%}"
    return f"{kin.id} {kin.name} {kin.version}: {kin.algorithm}, {kin.stage}{skill}"


def _show_together(what: str, together: Together) -> None:
    rows = [[kin.id, kin.name, kin.version, kin.algorithm, _share(kin.skill)] for kin in together.models]
    title = f"\n{what} {together.id}: {together.total:,} models"
    emit_table(["id", "name", "version", "algorithm", "skill"], rows, title=title)
    if together.total > len(together.models):
        option = "cohort" if what == "search" else "group"
        hint(f"all of them: forecastle models list --{option} {together.id} --sort skill")
