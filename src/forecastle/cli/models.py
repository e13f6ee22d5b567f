"""`models`: which there are, what they say of themselves, stages, removal."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from forecastle.bootstrap import Stores
from forecastle.cli import model_filters as wanted
from forecastle.cli import model_upload, model_views
from forecastle.cli.console import JsonFlag, emit_json, emit_table, hint, plain, run
from forecastle.errors import BadInput
from forecastle.registry import leaderboard, models
from forecastle.registry.describe import rank, read_manifest
from forecastle.registry.folds import fold_table
from forecastle.registry.leaderboard import CREATED
from forecastle.registry.manifest import Interval, Leakage, Manifest
from forecastle.registry.measures import HEADLINES, UNCALIBRATED, Direction, direction
from forecastle.registry.models import Model
from forecastle.registry.removal import Children, remove_all, remove_model
from forecastle.types import Page

app = typer.Typer(
    help="Models: upload, leaderboard, comparison, reports, lineage, stages, removal.", no_args_is_help=True
)

IdOrName = Annotated[str, typer.Argument(metavar="MODEL", help="Id or name.", show_default=False)]
ModelId = Annotated[str, typer.Argument(help="As `models list` shows it.", show_default=False)]


@app.command("list")
def list_models(  # noqa: PLR0917 - a listing has many filters
    name: wanted.Name = None,
    stage: wanted.Stage = None,
    task: wanted.Task = None,
    algorithm: wanted.Algorithm = None,
    dataset: wanted.Dataset = None,
    tag: wanted.Tag = None,
    parent: wanted.Parent = None,
    cohort: wanted.Cohort = None,
    group: wanted.Group = None,
    owner: wanted.Owner = None,
    since: wanted.Since = None,
    until: wanted.Until = None,
    text: wanted.Containing = None,
    sort: Annotated[str, typer.Option(metavar="MEASURE", help="created, skill or any measure.")] = CREATED,
    order: Annotated[
        Direction | None, typer.Option(help="Left out, the newest or the best come first.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier list ended.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Models, the newest first, or the best first by a measure."""
    exact = {"name": name, "stage": stage, "task": task, "algorithm": algorithm, "dataset": dataset, "text": text}
    exact |= {"tag": tag, "parent": parent, "cohort": cohort, "group": group}

    async def work(stores: Stores) -> Page[Model]:
        async with stores.database.read() as session:
            filters = await wanted.read_filters(session, owner=owner, since=since, until=until, **exact)
            return await leaderboard.list_models(session, filters, sort=sort, order=order, limit=limit, cursor=cursor)

    page = run(work)
    if as_json:
        emit_json(page)
        return
    header = [*("id", "name", "version", "stage", "algorithm", "dataset"), *("judged by", "out of sample", "baseline")]
    emit_table([*header, "skill", "created"], [_row(model, sort) for model in page.items])
    if page.next is not None:
        hint(f"the next page: the same command with --cursor {page.next}")
    elif not page.items:
        hint("forecastle train RECIPE.toml")


@app.command("show")
def show(model: IdOrName, *, as_json: JsonFlag = False) -> None:
    """One model: recipe, metrics beside baselines, importances, proof of parity."""

    async def work(stores: Stores) -> tuple[Model, Manifest]:
        async with stores.database.read() as session:
            found = await models.resolve(session, model)
        return found, await asyncio.to_thread(read_manifest, stores.artifacts, found)

    found, manifest = run(work)
    if as_json:
        verdict = found.verdict
        emit_json({**plain(found), "verdict": verdict and verdict.as_json(), "manifest": plain(manifest)})
        return
    emit_table(["field", "value"], _facts(found, manifest))
    if manifest.origin == "trained":
        _show_training(found, manifest)
    hint(f"forecastle models report {found.id}    forecastle models promote {found.id} production")


def _show_training(found: Model, manifest: Manifest) -> None:
    emit_table(["measure", found.algorithm, *found.baselines], _measures(found), title="\nout of sample")
    windows = fold_table(manifest)
    emit_table(windows.columns, windows.rows, title="\nwindows")
    ranking = rank(manifest)
    rows = [[each.feature, f"{each.importance:.4g}"] for each in ranking.features]
    emit_table(["feature", ranking.method or "importance"], rows, title="\nimportances")


app.command("upload")(model_upload.upload)
app.command("compare")(model_views.compare)
app.command("lineage")(model_views.lineage)
app.command("report")(model_views.report)


@app.command("promote")
def promote(
    model_id: ModelId,
    stage: Annotated[str, typer.Argument(help="dev, staging, production or archived.", show_default=False)],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Move a model to another stage."""

    async def work(stores: Stores) -> Model:
        async with stores.database.write() as session:
            return await models.promote(session, model_id, stage)

    _done(run(work), as_json=as_json)


@app.command("remove")
def remove(
    model_id: ModelId,
    cascade: Annotated[bool, typer.Option("--cascade", help="Remove the models made from it too.")] = False,
    keep_children: Annotated[
        bool, typer.Option("--keep-children", help="Leave them, with its id as part of their history.")
    ] = False,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Remove a model; predictions it made stay in the history."""
    if cascade and keep_children:
        raise BadInput.at("--keep-children", expected="nothing beside --cascade", found="--keep-children")
    children: Children = "cascade" if cascade else "keep" if keep_children else "refuse"
    removed = run(lambda stores: remove_model(stores.database, stores.artifacts, model_id, children=children))
    if as_json:
        emit_json({**plain(removed.model), "descendants": removed.descendants})
        return
    _done(removed.model, as_json=False)
    if removed.descendants:
        count = len(removed.descendants)
        hint(f"{count} model{'s' * (count != 1)} made from it went too")


@app.command("remove-all")
def remove_many(  # noqa: PLR0917 - a listing has many filters
    name: wanted.Name = None,
    stage: wanted.Stage = None,
    task: wanted.Task = None,
    algorithm: wanted.Algorithm = None,
    dataset: wanted.Dataset = None,
    tag: wanted.Tag = None,
    parent: wanted.Parent = None,
    cohort: wanted.Cohort = None,
    group: wanted.Group = None,
    owner: wanted.Owner = None,
    since: wanted.Since = None,
    until: wanted.Until = None,
    text: wanted.Containing = None,
    confirm: Annotated[
        str | None, typer.Option(help="yes; anything else only tells how many would go.", show_default=False)
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Remove every model that passes the filters, or all. Those that stay keep the id of a parent that went."""
    exact = {"name": name, "stage": stage, "task": task, "algorithm": algorithm, "dataset": dataset, "text": text}
    exact |= {"tag": tag, "parent": parent, "cohort": cohort, "group": group}

    async def work(stores: Stores) -> int:
        async with stores.database.read() as session:
            filters = await wanted.read_filters(session, owner=owner, since=since, until=until, **exact)
        return await remove_all(stores.database, stores.artifacts, filters, confirmation=confirm)

    count = run(work)
    if as_json:
        emit_json({"removed": count})
    else:
        emit_table(["removed"], [[f"{count:,}"]])


def _done(model: Model, *, as_json: bool) -> None:
    if as_json:
        emit_json(model)
    else:
        emit_table(["id", "name", "version", "stage"], [[model.id, model.name, model.version, model.stage]])


def _row(model: Model, sort: str) -> Sequence[object]:
    measure = sort if sort in model.metrics else HEADLINES[model.task]
    naive = [each[measure] for each in model.baselines.values() if measure in each]
    best = max if direction(measure) == "desc" else min
    return [
        model.id,
        model.name,
        model.version,
        model.stage,
        model.algorithm,
        model.dataset or None,
        measure,
        _number(model.metrics.get(measure)),
        _number(best(naive, default=None)),
        None if model.skill is None else f"{model.skill:+.1%}",
        f"{model.created_at:%Y-%m-%d %H:%M:%S}",
    ]


def _judged(model: Model) -> str | None:
    verdict = model.verdict
    if verdict is None:
        return None
    numbers = f"{verdict.measure} {verdict.value:.5g} against {verdict.baseline:.5g}"
    return f"{'beats' if verdict.beats_it else 'does not beat'} {verdict.baseline_name}: {numbers}"


def _facts(model: Model, manifest: Manifest) -> Sequence[Sequence[object]]:
    target = manifest.target
    ahead = f", {target.horizon} rows ahead" if target.horizon else ""
    return [
        ["id", model.id],
        ["name", f"{model.name} version {model.version}, {model.stage}"],
        ["predicts", f"{target.expression} ({target.transform}){ahead}, {model.task}"],
        ["dataset", manifest.dataset or None],
        ["features", ", ".join(column.name for column in manifest.features)],
        ["pruned", ", ".join(manifest.pruned) or None],
        ["classes", ", ".join(manifest.classes) or None],
        *_origin(manifest),
        ["rounds", None if manifest.rounds is None else f"{manifest.rounds:,}, found by stopping early"],
        ["calibration", _calibration(manifest)],
        ["interval", manifest.interval and _interval(manifest.interval)],
        ["confined to", manifest.regime and manifest.regime.expression],
        ["best naive forecast", _judged(model)],
        ["fingerprint", model.fingerprint],
        ["parent", model.parent],
        ["search", model.cohort],
        ["batch", model.group],
        ["tags", ", ".join(model.tags) or None],
        ["created", f"{model.created_at:%Y-%m-%d %H:%M:%S}"],
    ]


def _origin(manifest: Manifest) -> Sequence[Sequence[object]]:
    """How it came about: in a training here, or elsewhere."""
    parity, upload = manifest.parity, manifest.upload
    if upload is not None:
        difference = upload.largest_difference
        tried = "answers as expected" if difference is not None else "no answers were expected"
        return [
            ["uploaded", f"{upload.file_bytes:,} bytes, sha256 {upload.file_sha256}"],
            ["about it", upload.description or None],
            ["made by", upload.producer or None],
            ["takes", ", ".join(dict.fromkeys(upload.dtypes))],
            ["operators", ", ".join(f"{count} {name}" for name, count in upload.operators.items())],
            ["tried on", f"{upload.sample_rows:,} rows: {tried}"],
        ]
    equals = parity and f"within {parity.max_abs_difference:.1e} on {parity.rows:,} rows"
    trained = f"{manifest.trained_rows:,} rows in {manifest.fit_seconds:.2f} s, {len(manifest.folds)} windows"
    return [["trained on", trained], ["equals its training", equals], ["looks ahead", _proof(manifest.leakage)]]


def _calibration(manifest: Manifest) -> str | None:
    if manifest.calibration is None:
        return None
    learned = ", ".join(f"{name} {value:.4g}" for name, value in manifest.calibration.items())
    loss = HEADLINES[manifest.task]
    before, after = (_number(manifest.metrics.get(name)) for name in (f"{loss}{UNCALIBRATED}", loss))
    return f"{manifest.recipe.get('calibration', 'yes')} ({learned}): {loss} {before} before, {after} after"


def _interval(interval: Interval) -> str:
    covers = f"{interval.coverage * 100:g} %: prediction {interval.lower:+.5g} to {interval.upper:+.5g}"
    if interval.measured_coverage is None:
        return f"{covers}, from {interval.rows:,} rows"
    return f"{covers}; it covered {interval.measured_coverage:.1%} of {interval.measured_rows:,} later rows"


def _proof(leakage: Leakage) -> str:
    if leakage.status != "proven":
        return leakage.status
    return f"no: {leakage.status} at {leakage.cuts:,} cuts over {leakage.rows:,} rows"


def _measures(model: Model) -> Sequence[Sequence[object]]:
    return [
        [name, _number(value), *(_number(baseline.get(name)) for baseline in model.baselines.values())]
        for name, value in model.metrics.items()
    ]


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.5g}"
