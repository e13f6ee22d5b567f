"""From a file to a model: kept, checked in a process of its own, and published. The same for every door."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.registry import manifest as manifests
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.models import Model
from forecastle.types import new_id
from forecastle.uploads.describing import Findings, describe
from forecastle.uploads.document import Document
from forecastle.uploads.errors import FileTooLarge
from forecastle.uploads.inspector import Inspector

IDENTITY_VERSION = 1
PART_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that lies where it can be checked."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Received:
    """The model of a file. `created` is false when it was there already, under the name it was given then."""

    model: Model
    created: bool


@contextmanager
def keep(tables: TableStore, file: BinaryIO, *, most_bytes: int) -> Iterator[Kept]:
    """A copy of a file for as long as it is checked. Blocks.

    Raises:
        FileTooLarge: it has too many bytes.
        StoreFull: the disk has no space left.
    """
    tables.sweep()
    with tables.workspace() as folder:
        path, digest, size = folder / "model.onnx", hashlib.sha256(), 0
        with path.open("wb") as copy:
            while part := file.read(PART_BYTES):
                size += len(part)
                if size > most_bytes:
                    raise FileTooLarge(f"the file exceeds {most_bytes:,} bytes")
                digest.update(part)
                copy.write(part)
        yield Kept(path, digest.hexdigest(), size)


async def receive(
    database: Database,
    artifacts: ArtifactStore,
    inspector: Inspector,
    kept: Kept,
    document: Mapping[str, Any],
    *,
    owner: str | None,
    now: datetime,
) -> Received:
    """Check a file, and publish it as the next version of its name.

    The same file with the same schema is the same model, whoever sends it under whatever name.

    Raises:
        ModelRefused: the file, its schema or its sample cannot be used.
        CheckUnavailable: it cannot be checked now.
    """
    said = Document.parse(document)
    adapted = kept.path.with_name("adapted.onnx")
    findings = await inspector.inspect(kept.path, adapted, document)
    manifest = describe(
        said,
        findings,
        model_id=new_id(now),
        fingerprint=identity(kept.sha256, said, findings),
        sha256=kept.sha256,
        size=kept.size,
        now=now,
    )
    async with database.read() as session:
        known = await models.find_by_fingerprint(session, manifest.fingerprint)
    if known is not None:
        return Received(known, created=False)
    graph = await asyncio.to_thread(lambda: artifacts.put(adapted.read_bytes()))
    described = await asyncio.to_thread(artifacts.put, manifests.encode(manifest))
    async with database.write() as session:
        model = await models.publish(
            session, manifest=manifest, graph_sha256=graph, manifest_sha256=described, owner=owner
        )
    created = model.id == manifest.id
    if not created:  # somebody else was sooner, and no model needs this description
        await asyncio.to_thread(artifacts.remove, described)
    return Received(model, created)


def identity(sha256: str, document: Document, findings: Findings) -> str:
    """What tells an uploaded model from every other: a hash of its file's hash and its schema.

    Those of trained models are hashes of recipes, which have none of these fields.
    """
    schema = document.schema_
    facts = {
        "uploaded": IDENTITY_VERSION,
        "file": sha256,
        "inputs": [
            {"name": each.name, "kind": each.kind, "dtype": dtype, "categories": each.categories}
            for each, dtype in zip(schema.inputs, findings.dtypes, strict=True)
        ],
        "task": schema.task,
        "classes": schema.classes,
        "output": findings.output,
        "target": schema.target,
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()
