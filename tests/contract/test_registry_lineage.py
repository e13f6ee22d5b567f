"""Ancestors, descendants, siblings, and what removal does to them: the same on every database."""

from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import insert

from forecastle.db import Database
from forecastle.errors import BadInput
from forecastle.registry import leaderboard, lineage, models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import ArtifactMissing, HasChildren, ModelNotFound, NotConfirmed
from forecastle.registry.leaderboard import Filters
from forecastle.registry.lineage import Lineage
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.registry.removal import AT_ONCE, remove_all, remove_model
from forecastle.registry.tables import ModelRow

Publish = Callable[..., Awaitable[Model]]


@pytest.fixture
def artifacts() -> ArtifactStore:
    return ArtifactStore(f"memory://{token_hex(8)}")


@pytest.fixture
def publish(database: Database, artifacts: ArtifactStore, make_manifest: Callable[..., Manifest]) -> Publish:
    async def publish(
        name: str = "prices", *, graph: bytes | None = None, stage: str | None = None, **fields: Any
    ) -> Model:
        known = {each: fields.pop(each) for each in ("cohort", "group") if each in fields}
        manifest = make_manifest(name=name, **fields)
        blobs = artifacts.put(graph or token_hex(8).encode()), artifacts.put(token_hex(8).encode())
        async with database.write() as session:
            model = await models.publish(
                session, manifest=manifest, graph_sha256=blobs[0], manifest_sha256=blobs[1], **known
            )
            return await models.promote(session, model.id, stage) if stage else model

    return publish


async def trace(database: Database, model: Model) -> Lineage:
    async with database.read() as session:
        return await lineage.trace(session, model.id)


async def ids(database: Database) -> set[str]:
    async with database.read() as session:
        return {model.id for model in (await leaderboard.list_models(session)).items}


async def test_a_line_is_traced_up_and_down(database: Database, publish: Publish) -> None:
    oldest = await publish(algorithm="ridge")
    parent = await publish(parent=oldest.id)
    model, sibling = await publish(parent=parent.id), await publish(parent=parent.id)
    child = await publish(parent=model.id)
    grandchildren = sorted([(await publish(parent=child.id)).id for _ in range(2)])
    stranger = await publish()

    found = await trace(database, model)
    assert [(kin.id, kin.generation) for kin in found.ancestors] == [(parent.id, -1), (oldest.id, -2)]
    assert [(kin.id, kin.generation) for kin in found.descendants] == [
        (child.id, 1),
        *((each, 2) for each in grandchildren),
    ]
    assert (found.model.id, found.model.version, found.model.parent) == (model.id, model.version, parent.id)
    assert found.ancestors[1].algorithm == "ridge"
    assert {kin.id for kin in (await trace(database, oldest)).descendants} == {
        *(parent.id, model.id, sibling.id, child.id),
        *grandchildren,
    }
    alone = await trace(database, stranger)
    assert (alone.ancestors, alone.descendants, alone.cohort, alone.group) == ((), (), None, None)


async def test_those_made_together_are_found(database: Database, publish: Publish) -> None:
    siblings = [await publish(cohort="search-1", group=f"batch-{number % 2}") for number in range(4)]
    await publish(cohort="search-2")
    found = await trace(database, siblings[0])
    assert found.cohort is not None
    assert found.group is not None
    assert (found.cohort.id, found.cohort.total) == ("search-1", 4)
    assert {kin.id for kin in found.cohort.models} == {model.id for model in siblings}
    assert {kin.id for kin in found.group.models} == {siblings[0].id, siblings[2].id}


async def test_the_relatives_of_nobody(database: Database) -> None:
    with pytest.raises(ModelNotFound, match="there is no model 'nobody'"):
        async with database.read() as session:
            await lineage.trace(session, "nobody")


async def test_a_parent_is_not_removed_by_the_way(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    parent = await publish()
    children = sorted([(await publish(parent=parent.id)).id for _ in range(2)])
    with pytest.raises(HasChildren, match=f"2 models were made from {parent.id}: {children[0]}, {children[1]}"):
        await remove_model(database, artifacts, parent.id)
    assert await ids(database) == {parent.id, *children}


async def test_children_that_are_kept_keep_the_id_of_their_parent(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    oldest = await publish()
    parent = await publish(parent=oldest.id)
    child = await publish(parent=parent.id)
    assert (await remove_model(database, artifacts, parent.id, children="keep")).descendants == ()
    assert await ids(database) == {oldest.id, child.id}
    found = await trace(database, child)
    assert [(kin.id, kin.removed, kin.name) for kin in found.ancestors] == [(parent.id, True, None)]
    assert (await trace(database, oldest)).descendants == ()


async def test_a_cascade_takes_every_descendant_and_nobody_else(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    oldest = await publish()
    parent = await publish(parent=oldest.id)
    child = await publish(parent=parent.id)
    grandchild = await publish(parent=child.id)
    removed = await remove_model(database, artifacts, parent.id, children="cascade")
    assert removed.model == parent
    assert set(removed.descendants) == {child.id, grandchild.id}
    assert await ids(database) == {oldest.id}
    for model in (parent, child, grandchild):
        with pytest.raises(ArtifactMissing):
            artifacts.get(model.graph_sha256)


async def test_a_blob_goes_with_the_last_model_that_needs_it(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    first, second = await publish(graph=b"shared"), await publish(graph=b"shared")
    assert first.graph_sha256 == second.graph_sha256
    await remove_model(database, artifacts, first.id)
    assert artifacts.get(second.graph_sha256) == b"shared"
    with pytest.raises(ArtifactMissing):
        artifacts.get(first.manifest_sha256)
    await remove_model(database, artifacts, second.id)
    with pytest.raises(ArtifactMissing):
        artifacts.get(second.graph_sha256)
    with pytest.raises(ModelNotFound):
        await remove_model(database, artifacts, first.id)


async def test_a_removed_fingerprint_may_be_published_again(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    first = await publish(fingerprint="f" * 64)
    await remove_model(database, artifacts, first.id)
    assert (await publish(fingerprint="f" * 64)).id != first.id


@pytest.mark.parametrize(("confirmation", "found"), [(None, "nothing"), ("no", "no"), ("YES", "YES"), ("", "nothing")])
async def test_removing_all_must_be_confirmed(
    database: Database, artifacts: ArtifactStore, publish: Publish, confirmation: str | None, found: str
) -> None:
    for _ in range(3):
        await publish()
    with pytest.raises(NotConfirmed, match=f"confirm: expected yes, to remove 3 models for good, found {found}"):
        await remove_all(database, artifacts, Filters(), confirmation=confirmation)
    assert len(await ids(database)) == 3


async def test_removing_all_that_pass_the_filters(
    database: Database, artifacts: ArtifactStore, publish: Publish
) -> None:
    old = await publish(graph=b"shared", stage="archived")
    child = await publish(graph=b"shared", parent=old.id)
    also_old = await publish(stage="archived")
    assert await remove_all(database, artifacts, Filters(stage="archived"), confirmation="yes") == 2
    assert await ids(database) == {child.id}
    assert artifacts.get(child.graph_sha256) == b"shared"
    with pytest.raises(ArtifactMissing):
        artifacts.get(also_old.graph_sha256)
    assert [kin.removed for kin in (await trace(database, child)).ancestors] == [True]
    with pytest.raises(BadInput, match="stage"):
        await remove_all(database, artifacts, Filters(stage="old"), confirmation="yes")
    assert await remove_all(database, artifacts, Filters(), confirmation="yes") == 1
    assert await remove_all(database, artifacts, Filters(), confirmation="yes") == 0


async def test_many_are_removed_at_once(database: Database, artifacts: ArtifactStore, publish: Publish) -> None:
    kept, copied = await publish("kept"), await publish()
    async with database.write() as session:
        row = {field: getattr(copied, field) for field in Model.__dataclass_fields__ if field != "skill"}
        rows = [
            {**row, "id": f"copy{number}", "version": number, "fingerprint": f"{number}", "tags": []}
            for number in range(2, 2 * AT_ONCE)
        ]
        await session.execute(insert(ModelRow), rows)
    assert await remove_all(database, artifacts, Filters(name=copied.name), confirmation="yes") == 2 * AT_ONCE - 1
    assert await ids(database) == {kept.id}
    with pytest.raises(ArtifactMissing):
        artifacts.get(copied.graph_sha256)
