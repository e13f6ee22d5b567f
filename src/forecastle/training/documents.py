"""Documents that people write, TOML on disk and JSON on the wire: reading them, and saying what is wrong with them."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from forecastle import wording
from forecastle.errors import FieldProblem, clip
from forecastle.training.errors import RecipeUnreadable
from forecastle.training.schemes import SPLITS

MAX_DOCUMENT_BYTES = 1_000_000

Fields = Callable[[Sequence[int | str]], list[str]]
"""The names of the fields of the part at a place in a document."""


def read_document(path: Path) -> Mapping[str, object]:
    """The table of fields in a TOML or JSON file.

    Raises:
        RecipeUnreadable: there is no such file, or it is neither TOML nor JSON.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise RecipeUnreadable(f"{path}: {error.strerror}") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise RecipeUnreadable(f"{path}: expected at most {MAX_DOCUMENT_BYTES:,} bytes")
    language, read = ("JSON", json.loads) if path.suffix.lower() == ".json" else ("TOML", tomllib.loads)
    try:
        document = read(data.decode())
    except (ValueError, RecursionError) as error:
        raise RecipeUnreadable(f"{path}: expected {language}: {error}") from error
    if not isinstance(document, dict):
        raise RecipeUnreadable(f"{path}: expected a table of fields, found {clip(document)}")
    return document


def schema_of(part: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a document, in one piece without references."""
    schema = part.model_json_schema()
    return cast("dict[str, Any]", _without_references(schema, schema.pop("$defs", {})))


def _without_references(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_without_references(entry, definitions) for entry in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _without_references(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _without_references(entry, definitions) for name, entry in part.items() if name != "discriminator"}


def explain(error: ValidationError, *, fields: Fields, under: str = "") -> list[FieldProblem]:
    """Each unusable field: where it is, what was found there and what was expected.

    Args:
        error: what the validation said.
        fields: names the fields of a part.
        under: where in its document the part stands that was validated.
    """
    problems: list[dict[str, Any]] = [dict(problem) for problem in error.errors()]
    places = {problem["loc"][:-1] for problem in problems}
    # a list whose entry is bad is reported as too short as well
    kept = [each for each in problems if not (each["type"] == "too_short" and each["loc"] in places)]
    return [_explain(each, fields, under) for each in kept]


_EXPECTED = wording.EXPECTED | {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": "letters, digits, dots, dashes and underscores, beginning with a letter or digit",
    "union_tag_invalid": "kind to be one of {expected_tags}",
    "union_tag_not_found": f"kind to be one of {', '.join(map(repr, SPLITS))}",
}


def _explain(problem: Mapping[str, Any], fields: Fields, under: str) -> FieldProblem:
    path = [str(part) for part in problem["loc"]]
    if path[:1] == ["split"] and len(path) > 1:
        del path[1]  # the kind, which the library counts as part of the path
    field = ".".join([under, clip(".".join(path))]).strip(".")
    if problem["type"] == wording.UNKNOWN_FIELD:
        known = fields(problem["loc"][:-1])
        return FieldProblem(field, f"one of {', '.join(known)}{wording.suggest(path[-1], known)}", "an unknown field")
    found = "nothing" if problem["type"] == wording.MISSING else wording.spelled(problem["input"])
    return FieldProblem(field, wording.expectation(problem, _EXPECTED), found)
