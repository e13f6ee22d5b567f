"""The fingerprint: two recipes that make the same model from the same data have the same one."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from forecastle.features import FEATURE_VERSION
from forecastle.features.expressions import parse, parse_entry
from forecastle.training.algorithms import catalogue
from forecastle.training.recipe import Recipe
from forecastle.training.schemes import Calendar, WalkForward
from forecastle.types import Json, JsonObject

TRAINING_VERSION = 2
"""Raised when the same recipe would give another model."""
EXACT_INTEGERS = 2**53
Walk = WalkForward | Calendar
WITHOUT_EFFECT = frozenset({"name", "dataset", "parent", "tags", "prove_leakage"})
"""Fields of a recipe that do not change the model; the dataset counts by its content."""


def canonical(recipe: Recipe, dataset_sha256: str, context_sha256s: Mapping[str, str]) -> JsonObject:
    """Everything that decides what model a recipe makes, in one spelling.

    What has no order is sorted, defaults are filled in, numbers are rounded to 8 digits, symbols are in upper case,
    and what is empty is left out.

    Args:
        recipe: with its open choices (task, split) settled.
        dataset_sha256: hash of the dataset's content.
        context_sha256s: hash of each context dataset's content, by its name in the recipe.
    """
    target, split = recipe.target, recipe.split
    document: dict[str, Any] = {
        "training_version": TRAINING_VERSION,
        "feature_version": FEATURE_VERSION,
        "dataset": dataset_sha256,
        "context": {name.upper(): sha256 for name, sha256 in context_sha256s.items()},
        "features": sorted([name, str(expression)] for name, expression in map(parse_entry, recipe.features)),
        "algorithm": recipe.algorithm,
        "hyperparameters": catalogue.complete(catalogue.find(recipe.algorithm), recipe.hyperparameters),
        "target": target.model_dump()
        | {
            "column": str(parse(target.column)),
            "horizon": target.rows_ahead,
            "hidden": sorted(set(target.hidden)),
        },
        "split": split and split.model_dump() | ({"step": split.stride} if isinstance(split, Walk) else {}),
        "seed": recipe.seed,
        "timeframe": recipe.timeframe,
        "keys": sorted({key.upper() for key in recipe.keys}),
        "missing": recipe.missing,
        "prune": recipe.prune,
        "calibration": recipe.calibration,
        "interval": recipe.interval,
        "where": recipe.where and str(parse(recipe.where)),
    }
    return {name: _plain(value) for name, value in document.items() if not _is_empty(value)}


def fingerprint(document: JsonObject) -> str:
    """SHA-256, in hexadecimal, of a canonical document."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items() if not _is_empty(entry)}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return _number(value) if isinstance(value, float) else value


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, list | tuple | Mapping) and not value)


def _number(value: float) -> int | float:
    rounded = round(value, catalogue.DIGITS)
    return int(rounded) if rounded.is_integer() and abs(rounded) < EXACT_INTEGERS else rounded
