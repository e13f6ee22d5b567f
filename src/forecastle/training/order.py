"""What a training job carries with it and hands back, so that a worker needs no database."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from forecastle.data.dataset import Dataset
from forecastle.registry.manifest import Manifest
from forecastle.training.recipe import Recipe
from forecastle.types import JsonObject


class TableFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a stored table is and how its rows are to be told apart."""

    sha256: str
    time: str | None
    keys: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> "TableFacts":
        """The facts of a dataset."""
        return cls(dataset.sha256, dataset.time, dataset.keys)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training to be done: the recipe with every choice settled, and the tables by their content."""

    model_id: str
    fingerprint: str
    document: dict[str, Any]
    table: TableFacts
    context: Mapping[str, TableFacts]
    cohort: str | None = None
    """Shared by the models of one search."""
    group: str | None = None
    """Shared by the models of one batch."""

    @property
    def recipe(self) -> Recipe:
        """The recipe in the order's document."""
        return Recipe.parse(self.document)

    def as_json(self) -> JsonObject:
        """The payload of the job."""
        return cast("JsonObject", msgspec.to_builtins(self))

    @classmethod
    def read(cls, payload: JsonObject) -> "Order":
        """The order in a job's payload."""
        return msgspec.convert(payload, cls)


class TrainingResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker hands back: the hashes of two stored blobs, and the manifest itself."""

    graph_sha256: str
    manifest_sha256: str
    manifest: Manifest
    tags: tuple[str, ...] = ()
