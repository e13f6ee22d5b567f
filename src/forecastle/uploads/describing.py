"""The manifest of an uploaded model: what is known of it, and nothing that is not."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from forecastle.registry.manifest import Manifest, TargetFacts, UploadFacts
from forecastle.uploads.document import Document, Dtype


class Findings(msgspec.Struct, frozen=True):
    """What a check found out."""

    dtypes: tuple[Dtype, ...]
    """What the graph takes for each feature."""
    output: str
    """Name of the graph's output that is the prediction."""
    opsets: dict[str, int]
    ir_version: int
    producer: str
    operators: dict[str, int]
    largest_difference: float | None = None
    """From the expected answers, if some were given."""
    software: dict[str, str] = {}


def describe(
    document: Document,
    findings: Findings,
    *,
    model_id: str,
    fingerprint: str,
    sha256: str,
    size: int,
    now: datetime,
) -> Manifest:
    """The manifest of a file that passed."""
    schema = document.schema_
    return Manifest(
        id=model_id,
        name=document.name,
        origin="uploaded",
        fingerprint=fingerprint,
        task="classification" if schema.classes else "regression",
        algorithm="uploaded",
        recipe={},
        dataset="",
        dataset_sha256="",
        features=document.columns(findings.dtypes),
        feature_version=0,
        feature_states={},
        target=TargetFacts(schema.target, "none", 0),
        classes=schema.classes,
        metrics={},
        baselines={},
        folds=(),
        importances={},
        parity=None,
        trained_rows=0,
        fit_seconds=0.0,
        created_at=now,
        software=findings.software,
        upload=UploadFacts(
            description=document.description,
            file_sha256=sha256,
            file_bytes=size,
            dtypes=_dtypes(findings.dtypes),
            opsets=findings.opsets,
            ir_version=findings.ir_version,
            producer=findings.producer,
            operators=findings.operators,
            sample_rows=len(document.sample),
            largest_difference=findings.largest_difference,
        ),
    )


def _dtypes(dtypes: Sequence[Dtype]) -> tuple[str, ...]:
    """One for all features where that is so."""
    return tuple(dict.fromkeys(dtypes)) if len(set(dtypes)) == 1 else tuple(dtypes)
