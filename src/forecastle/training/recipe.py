"""A recipe: everything that determines a model. TOML on disk, the same as JSON on the wire.

name = "tomorrow-warm"
dataset = "weather"
algorithm = "lightgbm"
features = ["temp_max", "mean7 = sma(temp_max, 7)", "location"]
hyperparameters = { n_estimators = 300 }

[target]
column = "temp_max"
horizon = 1

[split]
kind = "walk_forward"
train = 730
test = 90
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from forecastle.features.plan import MAX_FEATURES
from forecastle.features.targets import MAX_HORIZON, Transform
from forecastle.registry.manifest import Task
from forecastle.training.algorithms import catalogue
from forecastle.training.documents import explain, read_document, schema_of
from forecastle.training.errors import BadRecipe, RecipeUnreadable
from forecastle.training.fields import MAX_NAME, MAX_TEXT, CalibrationKind, Chance, Coverage, Name, Part, Switch, Text
from forecastle.training.schemes import SPLITS, Split
from forecastle.types import JsonObject

CHANGES: frozenset[str] = frozenset({"log_return", "pct_change", "up"})
"""Transforms that compare a future value with the current one, so that they need a horizon."""


class Target(Part):
    """What is predicted: `transform` of `column` (any expression), `horizon` rows ahead.

    `hidden` names further columns that are not known when a prediction is asked for.
    """

    column: Text
    transform: Transform = "none"
    horizon: Annotated[int, Field(strict=True, ge=0, le=MAX_HORIZON)] | None = None
    task: Task | None = None
    hidden: Annotated[tuple[Text, ...], Field(max_length=MAX_FEATURES)] = ()

    @property
    def rows_ahead(self) -> int:
        """The horizon; left out, it is 1 for changes and 0 for plain values."""
        return self.horizon if self.horizon is not None else int(self.transform in CHANGES)


def _kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _column_alone(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Recipe(Part):
    """A training, declared. Make it with `Recipe.parse`, which explains what is wrong with a bad one."""

    name: Name
    dataset: Name
    features: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_FEATURES)]
    algorithm: Annotated[str, Field(max_length=MAX_NAME)]
    target: Annotated[Target, BeforeValidator(_column_alone)]
    hyperparameters: dict[str, Any] = {}  # noqa: RUF012 - a default is copied
    split: Annotated[Split, BeforeValidator(_kind_alone)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    timeframe: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    context: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    keys: Annotated[tuple[Annotated[str, Field(max_length=MAX_TEXT)], ...], Field(max_length=10_000)] = ()
    missing: Literal["drop", "median"] = "drop"
    calibration: CalibrationKind | None = None
    """How probabilities are brought to come true as often as they say."""
    interval: Coverage | None = None
    """Share of outcomes that a regression's prediction interval shall cover."""
    prune: Chance | None = None
    """Features whose univariate F-test on the training rows of a window has no smaller p are left out of it."""
    where: Text | None = None
    """An expression; rows for which it is not true are neither trained on nor tested."""
    prove_leakage: Switch = False
    """Prove after the training that nothing in it looked ahead, and fail if something did."""
    parent: Annotated[str, Field(max_length=MAX_NAME)] | None = None
    tags: Annotated[tuple[Name, ...], Field(max_length=50)] = ()

    @classmethod
    def parse(cls, document: Mapping[str, object]) -> "Recipe":
        """The recipe in a parsed TOML or JSON document. Hyperparameters left out get their defaults.

        Raises:
            BadRecipe: a field is unknown, missing or unusable; every such field is named.
        """
        try:
            recipe = cls.model_validate(_without_nothing(document))
        except ValidationError as error:
            raise BadRecipe(problems=explain(error, fields=_fields)) from error
        algorithm = catalogue.find(recipe.algorithm)
        return recipe.model_copy(update={"hyperparameters": catalogue.complete(algorithm, recipe.hyperparameters)})

    def as_json(self) -> JsonObject:
        """The document that `parse` reads back to an equal recipe; fields at their default are left out."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        hyperparameters = {name: value for name, value in self.hyperparameters.items() if value is not None}
        return document | ({"hyperparameters": hyperparameters} if hyperparameters else {})


def document_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, in one piece without references."""
    return schema_of(Recipe)


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML or JSON file.

    Raises:
        RecipeUnreadable: there is no such file, or it is neither TOML nor JSON.
        BadRecipe: a field cannot be used; the message starts with the path.
    """
    try:
        return Recipe.parse(read_document(path))
    except RecipeUnreadable:
        raise
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}", problems=error.problems) from error


def _without_nothing(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_nothing(entry) for name, entry in value.items() if entry is not None}


def _fields(path: Sequence[int | str]) -> list[str]:
    """The fields of the part at a place in a recipe."""
    parts: dict[tuple[int | str, ...], type[Part]] = {(): Recipe, ("target",): Target}
    parts |= {("split", kind): part for kind, part in SPLITS.items()}
    return list(parts[tuple(path)].model_fields)
