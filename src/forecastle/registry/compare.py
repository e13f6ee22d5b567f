"""Models side by side: what differs, which is best by each measure, and whether its lead is more than luck."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from forecastle.registry.describe import rank
from forecastle.registry.errors import NotComparable
from forecastle.registry.leads import Edge, lead
from forecastle.registry.manifest import Manifest, Task
from forecastle.registry.measures import SKILL, Direction, direction, verdict
from forecastle.registry.models import Model
from forecastle.types import Json

MAX_COMPARED = 20
APART = frozenset({"features", "name", "tags"})
"""Fields of a recipe that are compared elsewhere, or tell nothing."""
SHOWN_IMPORTANCES = 30


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the models, as a heading."""

    id: str
    name: str
    version: int
    stage: str
    task: Task
    algorithm: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is not the same for all: a value each, None where it is not set."""

    field: str
    values: tuple[Any, ...]
    """JSON values."""


@dataclass(frozen=True, slots=True)
class FeatureDifference:
    """A feature that not all models have."""

    feature: str
    """`name = expression`."""
    present: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure of each model, out of sample."""

    measure: str
    better: Direction
    """asc: less is better; desc: more."""
    values: tuple[float | None, ...]
    best: tuple[int, ...]
    """Positions of the best; empty where the models cannot be compared by it."""
    next: int | None
    """Position of the one that the best leads, where both were tested on the same windows."""
    lead: Edge | None
    """Of the best over that one, window by window."""


@dataclass(frozen=True, slots=True)
class ImportanceDifference:
    """A feature's share of all importance in each model; None where the model does not have the feature."""

    feature: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side. What is the same for all is left out."""

    models: tuple[Compared, ...]
    notes: tuple[str, ...]
    """What to know before reading on: what stands against comparing these models."""
    recipe: tuple[Difference, ...]
    shared_features: int
    features: tuple[FeatureDifference, ...]
    facts: tuple[Difference, ...]
    measures: tuple[Measured, ...]
    baselines: tuple[Measured, ...]
    """The best naive forecast of each model's own test rows, by the measure the model is judged by."""
    importances: tuple[ImportanceDifference, ...]


def compare(pairs: Sequence[tuple[Model, Manifest]]) -> Comparison:
    """Lay models side by side.

    Raises:
        NotComparable: fewer than two, more than twenty, or one of them twice.
    """
    ids = [model.id for model, _ in pairs]
    check_count(len(ids))
    if len(set(ids)) < len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise NotComparable.at("ids", expected="each model once", found=f"{twice} twice")
    manifests = [manifest for _, manifest in pairs]
    obstacles = _obstacles(manifests)
    return Comparison(
        models=tuple(_heading(model) for model, _ in pairs),
        notes=(*obstacles, *_cautions(manifests)),
        recipe=_differences([_recipe(manifest) for manifest in manifests]),
        shared_features=len(set.intersection(*(set(_features(manifest)) for manifest in manifests))),
        features=_feature_differences(manifests),
        facts=_differences([_facts(manifest) for manifest in manifests]),
        measures=_measures(pairs, comparable=not obstacles),
        baselines=_baselines(manifests),
        importances=_importances(manifests),
    )


def check_count(count: int) -> None:
    """Whether so many models can be laid side by side.

    Raises:
        NotComparable: they cannot.
    """
    if not 2 <= count <= MAX_COMPARED:
        raise NotComparable.at("ids", expected=f"2 to {MAX_COMPARED} models", found=str(count))


def _heading(model: Model) -> Compared:
    values = {field: getattr(model, field) for field in Compared.__dataclass_fields__}
    return Compared(**values)


def _obstacles(manifests: Sequence[Manifest]) -> list[str]:
    """What makes measures of these models numbers of different kinds."""
    notes = []
    uploaded = list(dict.fromkeys(manifest.name for manifest in manifests if manifest.origin == "uploaded"))
    if uploaded:
        names = ", ".join(uploaded)
        notes.append(f"how uploaded models ({names}) were trained and tested is not known: no measure ranks them")
    elif len({manifest.task for manifest in manifests}) > 1:
        notes.append("some are regressions and some classifications: no measure ranks them but skill")
    elif len({manifest.target for manifest in manifests}) > 1:
        said = ", ".join(dict.fromkeys(_target(manifest) for manifest in manifests))
        notes.append(f"they predict different things ({said}): no measure ranks them but skill")
    elif len({manifest.dataset for manifest in manifests}) > 1:
        names = ", ".join(dict.fromkeys(manifest.dataset for manifest in manifests))
        notes.append(f"they were tested on different datasets ({names}): no measure ranks them but skill")
    elif len({manifest.classes for manifest in manifests}) > 1:
        notes.append("they tell different classes apart: no measure ranks them but skill")
    return notes


def _cautions(manifests: Sequence[Manifest]) -> list[str]:
    notes = []
    if len({manifest.dataset for manifest in manifests}) < len({manifest.dataset_sha256 for manifest in manifests}):
        notes.append("the dataset was another one, though of the same name, when some of them were trained")
    if len({_windows(manifest) for manifest in manifests if manifest.origin == "trained"}) > 1:
        notes.append("their test windows differ: they did not sit the same exam, so small leads mean little")
    return notes


def _target(manifest: Manifest) -> str:
    target = manifest.target
    transform = "" if target.transform == "none" else f"{target.transform} of "
    return f"{transform}{target.expression}" + (f" {target.horizon} ahead" if target.horizon else "")


def _windows(manifest: Manifest) -> tuple[tuple[str, str, int], ...]:
    return tuple((fold.test_start, fold.test_end, fold.test_rows) for fold in manifest.folds)


def _recipe(manifest: Manifest) -> dict[str, Json]:
    return {field: value for field, value in flat(manifest.recipe).items() if field.partition(".")[0] not in APART}


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Json]:
    """Every value of a nested document, under its dotted path."""
    found: dict[str, Json] = {}
    for name, value in document.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _facts(manifest: Manifest) -> dict[str, Json]:
    return {
        "origin": manifest.origin,
        "dataset content": manifest.dataset_sha256[:12] or None,
        "trained rows": manifest.trained_rows or None,
        "trained until": manifest.trained_until,
        "windows": len(manifest.folds),
        "tested rows": sum(fold.test_rows for fold in manifest.folds),
        "tested from": manifest.folds[0].test_start if manifest.folds else None,
        "tested to": manifest.folds[-1].test_end if manifest.folds else None,
        "classes": ", ".join(manifest.classes) or None,
        "boosting rounds": manifest.rounds,
        "leakage": manifest.leakage.status,
        "fit seconds": round(manifest.fit_seconds, 3) if manifest.origin == "trained" else None,
    }


def _differences(facts: Sequence[Mapping[str, Json]]) -> tuple[Difference, ...]:
    fields = dict.fromkeys(field for each in facts for field in each)
    rows = (Difference(field, tuple(each.get(field) for each in facts)) for field in fields)
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))


def _features(manifest: Manifest) -> list[str]:
    return [
        column.name if column.name == column.expression else f"{column.name} = {column.expression}"
        for column in manifest.features
    ]


def _feature_differences(manifests: Sequence[Manifest]) -> tuple[FeatureDifference, ...]:
    each = [_features(manifest) for manifest in manifests]
    rows = (
        FeatureDifference(name, tuple(name in features for features in each))
        for name in dict.fromkeys(name for features in each for name in features)
    )
    return tuple(row for row in rows if not all(row.present))


def _measures(pairs: Sequence[tuple[Model, Manifest]], *, comparable: bool) -> tuple[Measured, ...]:
    manifests = [manifest for _, manifest in pairs]
    names = dict.fromkeys(name for manifest in manifests for name in manifest.metrics)
    rows = [
        _measured(name, [manifest.metrics.get(name) for manifest in manifests], manifests, comparable=comparable)
        for name in names
    ]
    return (_measured(SKILL, [model.skill for model, _ in pairs], (), comparable=True), *rows)


def _baselines(manifests: Sequence[Manifest]) -> tuple[Measured, ...]:
    found = [verdict(manifest.task, manifest.metrics, manifest.baselines) for manifest in manifests]
    names = dict.fromkeys((each.measure, each.baseline_name) for each in found if each)
    return tuple(
        Measured(
            f"{measure} of {baseline}",
            direction(measure),
            tuple(manifest.baselines.get(baseline, {}).get(measure) for manifest in manifests),
            best=(),
            next=None,
            lead=None,
        )
        for measure, baseline in names
    )


def _measured(
    name: str, values: Sequence[float | None], manifests: Sequence[Manifest], *, comparable: bool
) -> Measured:
    better = direction(name)
    known = sorted({value for value in values if value is not None}, reverse=better == "desc")
    several = sum(value is not None for value in values) > 1
    best = [i for i, value in enumerate(values) if value is not None and value == known[0]] if several else []
    if not comparable or len(best) != 1 or not manifests:
        return Measured(name, better, tuple(values), tuple(best) if comparable else (), None, None)
    runner_up = values.index(known[1])
    same_windows = _windows(manifests[best[0]]) == _windows(manifests[runner_up])
    ahead = lead(manifests[best[0]], manifests[runner_up], name) if same_windows else None
    return Measured(name, better, tuple(values), tuple(best), runner_up if ahead else None, ahead)


def _importances(manifests: Sequence[Manifest]) -> tuple[ImportanceDifference, ...]:
    each = [_shares(manifest) for manifest in manifests]
    names = dict.fromkeys(name for shares in each for name in shares)
    rows = [ImportanceDifference(name, tuple(shares.get(name) for shares in each)) for name in names]
    differing = [row for row in rows if any(share != row.shares[0] for share in row.shares)]
    differing.sort(key=lambda row: max(_known(row.shares)), reverse=True)
    return tuple(differing[:SHOWN_IMPORTANCES])


def _shares(manifest: Manifest) -> dict[str, float]:
    """Each feature's share of all importance; what does harm counts as nothing."""
    sizes = {
        each.feature: abs(each.importance) if ranking.method == "coefficient" else max(each.importance, 0.0)
        for ranking in (rank(manifest),)
        for each in ranking.features
    }
    total = sum(sizes.values())
    return {feature: round(size / total, 4) if total > 0 else 0.0 for feature, size in sizes.items()}


def _known(shares: Iterable[float | None]) -> list[float]:
    return [share for share in shares if share is not None]
