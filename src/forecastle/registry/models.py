"""Published models: versions, stages, and which one answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Select, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.errors import FieldProblem, clip
from forecastle.registry import measures
from forecastle.registry.errors import BadNewStage, BadStage, ModelNotFound
from forecastle.registry.manifest import Manifest, Task
from forecastle.registry.measures import Verdict
from forecastle.registry.tables import MeasureRow, ModelRow, NameRow, TagRow
from forecastle.types import is_storable

Stage = Literal["dev", "staging", "production", "archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)

LAST_VERSION = 2**31 - 1
"""The column takes no more."""
_PUBLISHING = 0x466F7265  # the PostgreSQL advisory lock that publishers and removers take in turn


@dataclass(frozen=True, slots=True)
class Model:
    """A published model. Everything but its stage is settled for good."""

    id: str
    name: str
    version: int
    """1, 2, 3, … within the name; the number of a removed model is not given again."""
    stage: Stage
    task: Task
    algorithm: str
    fingerprint: str
    graph_sha256: str
    manifest_sha256: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    skill: float | None
    """1 - its loss / the best naive forecast's on the same rows: 1 is perfect, 0 no better, below 0 worse."""
    dataset: str
    parent: str | None
    cohort: str | None
    """Shared by the models of one search."""
    group: str | None
    """Shared by the models of one batch."""
    tags: tuple[str, ...]
    owner: str | None
    created_at: datetime

    @property
    def verdict(self) -> Verdict | None:
        """It beside the best naive forecast; None where it or every baseline lacks the measure it is judged by."""
        return measures.verdict(self.task, self.metrics, self.baselines)


_STORED = tuple(name for name in Model.__dataclass_fields__ if name != "skill")


async def publish(  # noqa: PLR0913 - what only the registry knows of a model, beside its manifest
    session: AsyncSession,
    *,
    manifest: Manifest,
    graph_sha256: str,
    manifest_sha256: str,
    owner: str | None = None,
    tags: Sequence[str] = (),
    cohort: str | None = None,
    group: str | None = None,
) -> Model:
    """Make a stored artifact the next version of its name; a known fingerprint gives the model it has.

    Publishers wait for each other from here to the end of the session's transaction, so versions have no gaps but those
    of removed models.
    """
    await take_turn(session)
    if known := await find_by_fingerprint(session, manifest.fingerprint):
        return known
    model = Model(
        id=manifest.id,
        name=manifest.name,
        version=await _next_version(session, manifest.name),
        stage="dev",
        task=manifest.task,
        algorithm=manifest.algorithm,
        fingerprint=manifest.fingerprint,
        graph_sha256=graph_sha256,
        manifest_sha256=manifest_sha256,
        metrics=manifest.metrics,
        baselines=manifest.baselines,
        skill=measures.skill(manifest.task, manifest.metrics, manifest.baselines),
        dataset=manifest.dataset,
        parent=manifest.parent,
        cohort=cohort,
        group=group,
        tags=tuple(dict.fromkeys(tags)),
        owner=owner,
        created_at=manifest.created_at,
    )
    session.add(_row(model))
    await session.flush()
    session.add_all(_index(model))
    await session.flush()
    return model


async def get(session: AsyncSession, model_id: str) -> Model:
    """The model of that id.

    Raises:
        ModelNotFound: there is none; who gave a name is told the id of its newest version.
    """
    row = await session.get(ModelRow, model_id)
    if row is None:
        raise await _no_such_id(session, model_id)
    return to_model(row)


async def find_by_fingerprints(session: AsyncSession, fingerprints: Collection[str]) -> dict[str, Model]:
    """The models that these recipes made, by fingerprint; those that have none are missing."""
    rows = await session.scalars(select(ModelRow).where(ModelRow.fingerprint.in_(fingerprints)))
    return {row.fingerprint: to_model(row) for row in rows}


async def find_by_fingerprint(session: AsyncSession, fingerprint: str) -> Model | None:
    """The model that this recipe made, if any."""
    return await _first(session, select(ModelRow).where(ModelRow.fingerprint == fingerprint))


async def resolve(session: AsyncSession, model: str | None) -> Model:
    """The model that answers for an id or a name, or for none given; archived models answer to their id only.

    Order: that id; the newest production version of that name; its newest version. With nothing given: the newest in
    production, else the newest of all.

    Raises:
        ModelNotFound: nothing answers; names that are close are suggested.
    """
    if model is not None and (row := await session.get(ModelRow, model)):
        return to_model(row)
    live = select(ModelRow).where(ModelRow.stage != "archived")
    production_first = case((ModelRow.stage == "production", 0), else_=1)
    if model is None:
        found = await _first(
            session, live.order_by(production_first, ModelRow.created_at.desc(), ModelRow.version.desc())
        )
    else:
        named = live.where(ModelRow.name == model)
        found = await _first(session, named.order_by(production_first, ModelRow.version.desc()))
    if found is None:
        names = await session.scalars(select(ModelRow.name).distinct()) if model is not None else ()
        raise ModelNotFound(model, names=names)
    return found


async def version_of(session: AsyncSession, name: str, version: int) -> Model:
    """A version of a name, archived or not.

    Raises:
        ModelNotFound: there is none.
    """
    found = None
    if version <= LAST_VERSION and is_storable(name):  # of others no database has heard
        found = await _first(session, select(ModelRow).where(ModelRow.name == name, ModelRow.version == version))
    if found is None:
        raise ModelNotFound(f"{name} version {version}")
    return found


async def versions_of(session: AsyncSession, name: str) -> list[int]:
    """The versions of a name that answer to it, ascending."""
    live = select(ModelRow.version).where(ModelRow.name == name, ModelRow.stage != "archived")
    return list(await session.scalars(live.order_by(ModelRow.version)))


async def live_versions(session: AsyncSession) -> list[tuple[str, int]]:
    """Name and version of every model that answers to its name."""
    live = select(ModelRow.name, ModelRow.version).where(ModelRow.stage != "archived")
    rows = await session.execute(live.order_by(ModelRow.name, ModelRow.version))
    return [(name, version) for name, version in rows]


async def earlier_versions(session: AsyncSession, model: Model) -> tuple[Model, ...]:
    """The versions before it of the same name, newest first, archived ones left out."""
    statement = (
        select(ModelRow)
        .where(ModelRow.name == model.name, ModelRow.version < model.version, ModelRow.stage != "archived")
        .order_by(ModelRow.version.desc())
    )
    return tuple(to_model(row) for row in await session.scalars(statement))


async def promote(session: AsyncSession, model_id: str, stage: str) -> Model:
    """Move a model to another stage.

    Raises:
        BadStage: no such stage.
        ModelNotFound: no such model.
    """
    statement = update(ModelRow).where(ModelRow.id == model_id).values(stage=known_stage(stage)).returning(ModelRow)
    row = await session.scalar(statement, execution_options={"populate_existing": True})
    if row is None:
        raise await _no_such_id(session, model_id)
    return to_model(row)


def known_stage(stage: str) -> Stage:
    """`stage`, if there is such a stage.

    Raises:
        BadStage: there is not.
    """
    for known in STAGES:
        if stage == known:
            return known
    raise BadStage(problems=[_no_such_stage("stage", stage)])


def known_new_stage(stage: str) -> Stage:
    """The same for what a promotion calls `new_stage`.

    Raises:
        BadNewStage: there is not.
    """
    try:
        return known_stage(stage)
    except BadStage as error:
        raise BadNewStage(problems=[_no_such_stage("new_stage", stage)]) from error


def _no_such_stage(field: str, stage: str) -> FieldProblem:
    return FieldProblem(field, f"one of {', '.join(STAGES)}", clip(stage))


async def take_turn(session: AsyncSession) -> None:
    """Wait until no other transaction publishes or removes models; SQLite's write sessions already take turns."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_PUBLISHING)))


async def _next_version(session: AsyncSession, name: str) -> int:
    """A number that no model of this name ever had. `take_turn` must have been awaited in this transaction."""
    counted = update(NameRow).where(NameRow.name == name).values(last_version=NameRow.last_version + 1)
    version = await session.scalar(counted.returning(NameRow.last_version))
    if version is None:
        session.add(NameRow(name=name, last_version=1))
    return version or 1


async def _no_such_id(session: AsyncSession, model_id: str) -> ModelNotFound:
    named = select(ModelRow).where(ModelRow.name == model_id).order_by(ModelRow.version.desc())
    newest = await _first(session, named)
    return ModelNotFound(model_id, newest=newest.id if newest else None)


async def _first(session: AsyncSession, statement: Select[ModelRow]) -> Model | None:
    row = await session.scalar(statement.limit(1))
    return None if row is None else to_model(row)


def to_model(row: ModelRow) -> Model:
    """The value that a row holds."""
    values = {name: getattr(row, name) for name in _STORED}
    skill = measures.skill(values["task"], row.metrics, row.baselines)
    return Model(**values | {"tags": tuple(row.tags), "skill": skill})


def _row(model: Model) -> ModelRow:
    values = {name: getattr(model, name) for name in _STORED}
    return ModelRow(**values | {"tags": list(model.tags)})


def _index(model: Model) -> Sequence[MeasureRow | TagRow]:
    """What the model is ranked and found by."""
    ranked = model.metrics | ({} if model.skill is None else {measures.SKILL: model.skill})
    rows = [MeasureRow(model_id=model.id, measure=name, value=value) for name, value in ranked.items()]
    return [*rows, *(TagRow(model_id=model.id, tag=tag) for tag in model.tags)]
