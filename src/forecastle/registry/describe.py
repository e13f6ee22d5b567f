"""What a stored model says of itself."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from forecastle.registry import manifest as manifests
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import ArtifactCorrupt
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model

PREFERENCE: dict[str, Callable[[float], float]] = {"permutation": float, "tree": float, "coefficient": abs}
"""Measures of importance, the most telling first, and what each is ranked by."""


@dataclass(frozen=True, slots=True)
class Importance:
    """How much one feature matters."""

    feature: str
    importance: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Features, the most important first."""

    method: str | None
    """permutation, tree or coefficient; None if the model has no measure of importance."""
    features: tuple[Importance, ...]


def read_manifest(artifacts: ArtifactStore, model: Model) -> Manifest:
    """The model's manifest. Blocks.

    Raises:
        ArtifactMissing: it is not in the store.
        ArtifactCorrupt: it was damaged, or is none.
    """
    try:
        return manifests.decode(artifacts.get(model.manifest_sha256))
    except msgspec.MsgspecError as error:
        raise ArtifactCorrupt(f"artifact {model.manifest_sha256} is not a manifest: {error}") from error


def rank(manifest: Manifest) -> Ranking:
    """Its features by the best measure there is: permutation, else tree, else the size of the coefficient."""
    for method, size in PREFERENCE.items():
        if found := manifest.importances.get(method):
            order = sorted(found.items(), key=lambda item: size(item[1]), reverse=True)
            return Ranking(method, tuple(Importance(*item) for item in order))
    return Ranking(None, ())
