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

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from forecastle import wording
from forecastle.errors import FieldProblem, clip
from forecastle.features.plan import MAX_FEATURES
from forecastle.features.targets import MAX_HORIZON, Transform
from forecastle.registry.manifest import Task
from forecastle.training.algorithms import catalogue
from forecastle.training.errors import BadRecipe, RecipeUnreadable
from forecastle.types import JsonObject

MAX_RECIPE_BYTES = 1_000_000
MAX_TEXT = 2_000
MAX_NAME = 100
CHANGES: frozenset[str] = frozenset({"log_return", "pct_change", "up"})
"""Transforms that compare a future value with the current one, so that they need a horizon."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Share = Annotated[
    float, Field(strict=True, ge=1e-6, lt=1), AfterValidator(lambda share: round(share, catalogue.DIGITS))
]
Count = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


class Target(_Part):
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


class Chronological(_Part):
    """The last `test` share of the rows is held out."""

    kind: Literal["chronological"]
    test: Share = 0.2


class WalkForward(_Part):
    """Train on `train` rows, test on the next `test`, move on by `step`; where rows share times, distinct times."""

    kind: Literal["walk_forward"]
    train: Count
    test: Count
    step: Count | None = None

    @property
    def stride(self) -> int:
        """How far the windows move on; by default the length of the test stretch."""
        return self.step or self.test


class Random(_Part):
    """A seeded draw of `test` of the rows is held out, class by class; for tables without time."""

    kind: Literal["random"]
    test: Share = 0.2


Split: TypeAlias = Annotated[Chronological | WalkForward | Random, Field(discriminator="kind")]


def _kind_alone(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _column_alone(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Recipe(_Part):
    """A training, declared. Make it with `Recipe.parse`, which explains what is wrong with a bad one."""

    name: Name
    dataset: Name
    features: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_FEATURES)]
    algorithm: Annotated[str, Field(max_length=MAX_NAME)]
    target: Annotated[Target, BeforeValidator(_column_alone)]
    hyperparameters: dict[str, Any] = {}
    split: Annotated[Split, BeforeValidator(_kind_alone)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    timeframe: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    context: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    keys: Annotated[tuple[Annotated[str, Field(max_length=MAX_TEXT)], ...], Field(max_length=10_000)] = ()
    missing: Literal["drop", "median"] = "drop"
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
            raise BadRecipe(problems=_explain_all(error)) from error
        algorithm = catalogue.find(recipe.algorithm)
        return recipe.model_copy(update={"hyperparameters": catalogue.complete(algorithm, recipe.hyperparameters)})

    def as_json(self) -> JsonObject:
        """The document that `parse` reads back to an equal recipe; fields at their default are left out."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        hyperparameters = {name: value for name, value in self.hyperparameters.items() if value is not None}
        return document | ({"hyperparameters": hyperparameters} if hyperparameters else {})


def document_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, in one piece without references."""
    schema = Recipe.model_json_schema()
    return cast("dict[str, Any]", _without_references(schema, schema.pop("$defs")))


def _without_references(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_without_references(entry, definitions) for entry in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _without_references(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _without_references(entry, definitions) for name, entry in part.items() if name != "discriminator"}


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML or JSON file.

    Raises:
        RecipeUnreadable: there is no such file, or it is neither TOML nor JSON.
        BadRecipe: a field cannot be used; the message starts with the path.
    """
    try:
        return Recipe.parse(_document(path))
    except RecipeUnreadable:
        raise
    except BadRecipe as error:
        raise BadRecipe(f"{path}: {error}", problems=error.problems) from error


def _document(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECIPE_BYTES + 1)
    except OSError as error:
        raise RecipeUnreadable(f"{path}: {error.strerror}") from error
    if len(data) > MAX_RECIPE_BYTES:
        raise RecipeUnreadable(f"{path}: expected at most {MAX_RECIPE_BYTES:,} bytes")
    language, read = ("JSON", json.loads) if path.suffix.lower() == ".json" else ("TOML", tomllib.loads)
    try:
        document = read(data.decode())
    except (ValueError, RecursionError) as error:
        raise RecipeUnreadable(f"{path}: expected {language}: {error}") from error
    if not isinstance(document, dict):
        raise RecipeUnreadable(f"{path}: expected a table of fields, found {clip(document)}")
    return document


def _without_nothing(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_nothing(entry) for name, entry in value.items() if entry is not None}


_EXPECTED = wording.EXPECTED | {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": "letters, digits, dots, dashes and underscores, beginning with a letter or digit",
    "union_tag_invalid": "kind to be one of {expected_tags}",
    "union_tag_not_found": "kind to be 'chronological', 'walk_forward' or 'random'",
}


def _explain_all(error: ValidationError) -> list[FieldProblem]:
    problems: list[dict[str, Any]] = [dict(problem) for problem in error.errors()]
    places = {problem["loc"][:-1] for problem in problems}
    # a list whose entry is bad is reported as too short as well
    return [_explain(each) for each in problems if not (each["type"] == "too_short" and each["loc"] in places)]


def _explain(problem: Mapping[str, Any]) -> FieldProblem:
    path = [str(part) for part in problem["loc"]]
    if path[:1] == ["split"] and len(path) > 1:
        del path[1]  # the kind, which the library counts as part of the path
    field = clip(".".join(path))
    if problem["type"] == wording.UNKNOWN_FIELD:
        known = _fields(problem["loc"][:-1])
        return FieldProblem(field, f"one of {', '.join(known)}{wording.suggest(path[-1], known)}", "an unknown field")
    found = "nothing" if problem["type"] == wording.MISSING else wording.spelled(problem["input"])
    return FieldProblem(field, wording.expectation(problem, _EXPECTED), found)


def _fields(path: Sequence[int | str]) -> list[str]:
    parts: Mapping[tuple[int | str, ...], type[_Part]] = {
        (): Recipe,
        ("target",): Target,
        ("split", "chronological"): Chronological,
        ("split", "walk_forward"): WalkForward,
        ("split", "random"): Random,
    }
    return list(parts[tuple(path)].model_fields)
