"""What is said of a file by who uploads it: its inputs, what it predicts, and rows to try it on."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from forecastle import wording
from forecastle.errors import FieldProblem, clip
from forecastle.registry.manifest import FeatureColumn
from forecastle.types import is_storable
from forecastle.uploads.errors import ModelRefused

Dtype = Literal["float64", "float32", "int64", "int32"]
Task = Literal["regression", "binary", "multiclass"]

MAX_INPUTS = 10_000
MAX_CATEGORIES = 10_000
MAX_CLASSES = 1_000
MAX_SAMPLE_ROWS = 100
LARGEST: Mapping[Dtype, float] = {"int64": 2.0**53, "int32": 2.0**31 - 1}
"""The largest whole numbers that arrive at the graph as they were sent: features are float64 until there."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ModelName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Part):
    """One feature, in the place where the graph takes it."""

    name: Name
    kind: Literal["number", "category"] = "number"
    """A category is sent as text; the graph is given its code, -1 for one that is not listed."""
    dtype: Dtype | None = None
    """What the graph takes; left out, it is read from the file."""
    categories: Annotated[tuple[Name, ...], Field(max_length=MAX_CATEGORIES)] = ()
    """In the order of their codes 0, 1, …"""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Input":
        if (self.kind == "category") != bool(self.categories):
            raise ValueError("categories for the kind category, and for no other")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("each category once")
        return self


class Schema(_Part):
    """What the graph takes and gives."""

    inputs: Annotated[tuple[Input, ...], Field(min_length=1, max_length=MAX_INPUTS)]
    task: Task
    classes: Annotated[tuple[Name, ...], Field(max_length=MAX_CLASSES)] = ()
    """Labels in the order of the graph's probabilities; of a single probability, the second is the one it is of."""
    output: Name | None = None
    """The graph's output that is the prediction; needed where several might be."""
    target: Name = "prediction"
    """What it predicts, for people."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "Schema":
        names = [each.name for each in self.inputs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"inputs of different names, found {clip(twice)!r} twice")
        expected = {"regression": "no classes", "binary": "2 classes", "multiclass": "3 or more classes"}[self.task]
        fits = {"regression": not self.classes, "binary": len(self.classes) == 2, "multiclass": len(self.classes) > 2}
        if not fits[self.task]:
            raise ValueError(f"{expected} for {self.task}, found {len(self.classes)}")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("each class once")
        return self


class Document(_Part):
    """Everything but the file."""

    name: ModelName
    schema_: Schema = Field(alias="schema")
    sample: Annotated[tuple[list[Any] | dict[str, Any], ...], Field(min_length=1, max_length=MAX_SAMPLE_ROWS)]
    """Rows as predictions take them: values in the order of the inputs, or by name."""
    expected: Annotated[tuple[float | str | list[float], ...] | None, Field(max_length=MAX_SAMPLE_ROWS)] = None
    """What the model answers for each row of the sample: a number; a label, or a probability for each class."""
    description: Annotated[str, Field(max_length=2_000)] = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Document":
        """The document, if it is one.

        Raises:
            ModelRefused: names each field that is unknown, missing or unusable.
        """
        try:
            parsed = cls.model_validate(document)
        except ValidationError as error:
            raise ModelRefused(problems=[_problem(dict(each)) for each in error.errors()[:20]]) from error
        _refuse_unstorable(parsed)
        _refuse_nested(parsed)
        if parsed.expected is not None and len(parsed.expected) != len(parsed.sample):
            raise ModelRefused.at("expected", expected=f"{len(parsed.sample)} answers", found=str(len(parsed.expected)))
        return parsed

    @property
    def classes(self) -> tuple[str, ...]:
        """Of a classification."""
        return self.schema_.classes

    def columns(self, dtypes: Sequence[Dtype]) -> tuple[FeatureColumn, ...]:
        """The inputs as the columns of a manifest, given what the graph takes for each."""
        return tuple(
            FeatureColumn(
                each.name,
                each.name,
                each.kind,
                each.categories,
                whole_up_to=LARGEST.get(dtype) if each.kind == "number" else None,
            )
            for each, dtype in zip(self.schema_.inputs, dtypes, strict=True)
        )


def read_json(field: str, text: str) -> Any:
    """The value of a field that is sent as JSON.

    Raises:
        ModelRefused: it is not JSON, or has numbers that JSON does not.
    """
    try:
        return json.loads(text, parse_constant=_no_such_number)
    except (ValueError, RecursionError) as error:
        raise ModelRefused.at(field, expected="JSON", found=text or "nothing") from error


def _no_such_number(text: str) -> float:
    raise ValueError(text)


def _problem(error: Mapping[str, Any]) -> FieldProblem:
    path = [str(part) for part in error["loc"]]
    field = clip(".".join(path)) or "schema"
    if error["type"] == wording.UNKNOWN_FIELD:
        known = _FIELDS[min(len([part for part in path if not part.isdigit()]), len(_FIELDS)) - 1]
        return FieldProblem(field, f"one of {', '.join(known)}{wording.suggest(path[-1], known)}", "an unknown field")
    if error["type"] == "value_error":
        return FieldProblem(field, str(error["ctx"]["error"]))
    found = "nothing" if error["type"] == wording.MISSING else wording.spelled(error["input"])
    return FieldProblem(field, wording.expectation(error, _EXPECTED), found)


def _refuse_unstorable(document: Document) -> None:
    schema = document.schema_
    texts = {
        "description": [document.description],
        "schema.inputs": [text for each in schema.inputs for text in (each.name, *each.categories)],
        "schema.classes": schema.classes,
        "schema.output": [schema.output or ""],
        "schema.target": [schema.target],
    }
    for field, each in texts.items():
        for text in each:
            if not is_storable(text):
                raise ModelRefused.at(field, expected="text without NUL characters or lone surrogates", found=text)


def _refuse_nested(document: Document) -> None:
    for number, row in enumerate(document.sample):
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, list | dict):
                found = f"a {type(value).__name__}"
                raise ModelRefused.at(f"sample[{number}]", expected="numbers, texts or null", found=found)


_FIELDS = (
    ("name", "schema", "sample", "expected", "description"),
    tuple(Schema.model_fields),
    tuple(Input.model_fields),
)
_EXPECTED = wording.EXPECTED | {
    "string_pattern_mismatch": "letters, digits, dots, dashes and underscores, beginning with a letter or digit",
}
