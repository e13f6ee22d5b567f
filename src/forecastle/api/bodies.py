"""What is wrong with a request's body as a whole: its kind, or its syntax."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from forecastle.errors import BadInput

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

MULTIPART_REASONS = {
    "Missing boundary in multipart.": "Content-Type names no boundary; let the client write that header",
    "Invalid multipart data.": "it is not in parts with headers, divided by the boundary that Content-Type names",
    'The Content-Disposition header field "name" must be provided.': "a part has no name in its Content-Disposition",
}


class WrongMediaType(BadInput):
    """The body is of a kind that is not taken here."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class MalformedBody(BadInput):
    """The body cannot be read."""

    code = "MALFORMED_BODY"


class MalformedJson(MalformedBody):
    """The body is not JSON."""

    code = "MALFORMED_JSON"


def media_type(request: Request) -> str:
    """What the request says its body is, without parameters; empty when it says nothing."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Whether a media type is JSON, or something spelled in JSON."""
    return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))


def wrong_media_type(request: Request, *taken: str) -> BadInput:
    """The error for a body of none of the kinds that are taken."""
    return WrongMediaType.at("Content-Type", expected=" or ".join(taken), found=media_type(request) or "nothing")


def unfit(request: Request, error: RequestValidationError) -> BadInput | None:
    """The error for a body of another kind than the route takes, or of bad syntax; None if only fields are wrong."""
    for item in error.errors():
        if item["type"] == "json_invalid":
            return MalformedJson(f"the body is not JSON: {_syntax(item)}")
    taken = _taken(request)
    if taken == JSON and isinstance(error.body, bytes):  # it is decoded when it says that it is JSON
        return wrong_media_type(request, JSON)
    if taken == MULTIPART and media_type(request) != MULTIPART:
        return wrong_media_type(request, MULTIPART)
    return None


def unreadable(request: Request, error: HTTPException) -> BadInput | None:
    """The error for a body that broke off the reading, which the library answers with 400; None if it was not that."""
    if error.status_code != HTTPStatus.BAD_REQUEST:
        return None
    taken = _taken(request)
    if taken == MULTIPART:
        return MalformedBody(f"the form cannot be read: {MULTIPART_REASONS.get(error.detail, error.detail)}")
    return MalformedJson(f"the body is not JSON: {_reason(error.__cause__)}") if taken == JSON else None


def _taken(request: Request) -> str | None:
    """The kind of body that the route takes, if it leaves its body to the library."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else str(field.field_info.media_type)


def _syntax(item: Mapping[str, Any]) -> str:
    place = f" at character {item['loc'][1] + 1}" if len(item["loc"]) > 1 else ""
    return f"{item.get('ctx', {}).get('error', 'malformed')}{place}"


def _reason(cause: BaseException | None) -> str:
    match cause:
        case UnicodeDecodeError():
            return f"byte {cause.start + 1} is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case ValueError():
            return "it has an integer of too many digits"
        case _:
            return "it cannot be read"
