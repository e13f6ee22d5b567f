"""Recipes made of models: the same again, and children with other features. They never take their parent's place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecastle.data.dataset import Dataset
from forecastle.errors import BadInput, clip
from forecastle.features.errors import LooksAhead
from forecastle.features.expressions import parse_entry
from forecastle.registry.manifest import Manifest
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe
from forecastle.training.settle import settle


@dataclass(frozen=True, slots=True)
class Child:
    """The recipe of a child, and which of the wanted features there are not."""

    recipe: Recipe
    ignored: tuple[str, ...]


def recipe_of(manifest: Manifest) -> Recipe:
    """The recipe that made a model.

    Raises:
        BadRecipe: none did, or this version cannot read it any more.
    """
    if not manifest.recipe:
        uploaded = ", for of an uploaded model none is known" if manifest.origin == "uploaded" else ""
        raise BadRecipe.at("model", expected=f"one that was trained from a recipe{uploaded}", found=manifest.name)
    return Recipe.parse(manifest.recipe)


def again(manifest: Manifest, *, dataset: str | None = None) -> Recipe:
    """The same recipe with the model as parent, on what its dataset holds now, or on another dataset.

    Raises:
        BadRecipe: the model was made by no recipe.
    """
    changes = {"parent": manifest.id} | ({} if dataset is None else {"dataset": dataset})
    return Recipe.parse({**recipe_of(manifest).as_json(), **changes})


def inherit(manifest: Manifest, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of a model with some fields changed, and the model as its parent.

    Another algorithm begins with its own defaults.

    Raises:
        BadRecipe: a field is unknown or unusable, or the model was made by no recipe.
    """
    inherited = dict(recipe_of(manifest).as_json())
    if changes.get("algorithm", inherited["algorithm"]) != inherited["algorithm"]:
        inherited.pop("hyperparameters", None)
    return Recipe.parse({**inherited, **changes, "parent": manifest.id})


def child(parent: Recipe, recipe: Recipe, tables: Mapping[str, Dataset]) -> Child:
    """The recipe with those of its features that there are.

    They are the parent's, by name or expression, and others that can be computed from the tables.

    Raises:
        BadRecipe: there is none of them.
        LooksAhead: one of them asks for what is not known when a prediction is made.
    """
    known = dict(_spellings(parent.features))
    found: dict[str, str] = {}
    ignored = []
    for wanted in recipe.features:
        entry = known.get(wanted) or known.get(_canonical(wanted)) or wanted
        if _exists(recipe.model_copy(update={"features": (entry,)}), tables):
            found.setdefault(parse_entry(entry)[0], entry)
        else:
            ignored.append(wanted)
    if not found:
        names = ", ".join(parse_entry(entry)[0] for entry in parent.features)
        expected = f"features of the parent ({clip(names, 200)}) or of its tables"
        raise BadRecipe.at("features", expected=expected, found=", ".join(recipe.features))
    return Child(recipe.model_copy(update={"features": tuple(found.values())}), tuple(ignored))


def _spellings(features: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Every way to name a feature, and its entry; a name counts for more than an expression."""
    entries = [(entry, *parse_entry(entry)) for entry in features]
    yield from ((str(tree), entry) for entry, _, tree in entries)
    yield from ((name, entry) for entry, name, _ in entries)


def _canonical(wanted: str) -> str:
    try:
        return str(parse_entry(wanted)[1])
    except LooksAhead:
        raise
    except BadInput:
        return wanted


def _exists(recipe: Recipe, tables: Mapping[str, Dataset]) -> bool:
    try:
        settle(recipe, tables[recipe.dataset], {name: tables[name] for name in recipe.context})
    except LooksAhead:
        raise
    except BadInput:
        return False
    return True
