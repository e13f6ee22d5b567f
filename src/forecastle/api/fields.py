"""Which fields of a request cannot be used, each named once, with what was found and what would have done."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile

from forecastle import wording
from forecastle.errors import FieldProblem, clip

Items = Sequence[Mapping[str, Any]]

MAX_ITEMS = 20


def field_problems(request: Request, error: RequestValidationError) -> tuple[FieldProblem, ...]:
    """One problem a field, in the order in which they were found; the first few, if there are many."""
    by_place: dict[str, list[Mapping[str, Any]]] = {}
    for item in error.errors()[:MAX_ITEMS]:
        by_place.setdefault(_place(item, error.body), []).append(item)
    as_text = isinstance(error.body, FormData)
    return tuple(_problem(place, items, request, as_text=as_text) for place, items in by_place.items())


def _place(item: Mapping[str, Any], body: object) -> str:
    where, *parts = item["loc"]
    if where == "body" and body is not None:
        parts = _inside(body, parts, missing=item["type"] == wording.MISSING)
    return ".".join(clip(str(part)) for part in parts) or str(where)


def _inside(body: object, parts: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The parts that lead to a value in the body; the library also counts the kinds that it tried."""
    path: list[str | int] = []
    value: Any = body
    for part in parts:
        if part in _keys(value):
            value = value[part]
            path.append(part)
    return [*path, parts[-1]] if missing and parts else path


def _keys(value: object) -> Collection[object]:
    if isinstance(value, list):
        return range(len(value))
    return value if isinstance(value, Mapping) else ()


def _problem(place: str, items: Items, request: Request, *, as_text: bool) -> FieldProblem:
    first = items[0]
    if first["type"] == wording.UNKNOWN_FIELD:
        known = _known_fields(request)
        expected = f"one of {', '.join(known)}{wording.suggest(place, known)}"
        return FieldProblem(place, expected, "an unknown field")
    # of several kinds that would do, one is right and its own rule is broken, or none is right
    broken = [item for item in items if not wording.is_of_another_type(item)] or items
    expected = _either([_expected(item) for item in broken])
    if first["type"] == wording.MISSING:
        return FieldProblem(place, expected, "nothing")
    return FieldProblem(place, expected, _found(first, as_text=as_text or first["loc"][0] != "body"))


def _known_fields(request: Request) -> tuple[str, ...]:
    """The fields of the body that the route takes."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = field.field_info.annotation if field is not None else None
    return tuple(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else ()


def _either(words: Sequence[str]) -> str:
    *most, last = dict.fromkeys(words)
    return f"{', '.join(most)} or {last}" if most else last


def _expected(item: Mapping[str, Any]) -> str:
    return "a file" if UploadFile.__name__ in item["msg"] else wording.expectation(item)


def _found(item: Mapping[str, Any], *, as_text: bool) -> str:
    """A value in JSON as it was sent; where all is text, in a query or a form, that text."""
    value = item["input"]
    if isinstance(value, UploadFile):
        return "a file"
    return clip(value) if as_text and isinstance(value, str) and value else wording.spelled(value)
