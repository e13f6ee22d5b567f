"""Errors as `application/problem+json` (RFC 9457); the one place where an error class meets a status."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from forecastle.api import bodies
from forecastle.api.bodies import MalformedBody, WrongMediaType
from forecastle.api.fields import field_problems
from forecastle.errors import (
    AccessError,
    BadInput,
    Conflict,
    DeadlineExceeded,
    FieldProblem,
    ForecastleError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    clip,
    printable,
)
from forecastle.registry.errors import BadNewStage

log = structlog.get_logger("forecastle.api")

STATUSES: dict[type[ForecastleError], int] = {
    BadNewStage: 400,
    MalformedBody: 400,
    WrongMediaType: 415,
    BadInput: 422,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Unauthenticated: 401,
    AccessError: 403,
    Unavailable: 503,
    DeadlineExceeded: 504,
    ForecastleError: 500,
}

BUG = "an internal error; the log has the details under this request id"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
TITLES = {401: "Sign in first", 413: "Too large", 422: "The input cannot be used"}


class ProblemField(BaseModel):
    """One unusable field."""

    field: str
    expected: str
    found: str = ""


class Problem(BaseModel):
    """What every error answer looks like."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no model 'prices'"])
    instance: str = Field(examples=["/api/v1/models/prices"])
    code: str = Field(examples=["MODEL_NOT_FOUND"])
    error: str = Field(description="The same as `code`, for older clients.", examples=["MODEL_NOT_FOUND"])
    request_id: str
    errors: list[ProblemField] = []


def status_of(error: ForecastleError) -> int:
    """The status of the nearest class in the error's ancestry that has one."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    detail: str,
    problems: tuple[FieldProblem, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer to a request that failed."""
    body = Problem(
        title=TITLES.get(status, HTTPStatus(status).phrase),
        status=status,
        detail=printable(detail),
        instance=printable(request.url.path),
        code=code,
        error=code,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        errors=[ProblemField(field=printable(p.field), expected=p.expected, found=p.found) for p in problems],
    )
    return JSONResponse(body.model_dump(), status_code=status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem response."""
    app.add_exception_handler(ForecastleError, on_forecastle_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)


async def on_forecastle_error(request: Request, error: Exception) -> Response:
    """The answer to an error of ours."""
    assert isinstance(error, ForecastleError)  # noqa: S101 - registered for this class alone
    status = status_of(error)
    detail, headers = error.message, {}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", path=request.url.path, exc_info=error)
        detail = BUG
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    problems = error.problems if isinstance(error, BadInput) else ()
    return problem_response(request, status=status, code=error.code, detail=detail, problems=problems, headers=headers)


async def _on_bug(request: Request, _error: Exception) -> Response:
    """Whoever surrounds the application logs it: it is raised again after this answer."""
    return problem_response(request, status=500, code=ForecastleError.code, detail=BUG)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    wrong = bodies.unfit(request, error) or BadInput(problems=field_problems(request, error))
    return await on_forecastle_error(request, wrong)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if unreadable := bodies.unreadable(request, error):
        return await on_forecastle_error(request, unreadable)
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{clip(request.url.path)} takes {headers['Allow']}, found {request.method}"
    elif error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {clip(request.url.path)}"
    phrase = HTTPStatus(error.status_code).phrase
    return problem_response(
        request,
        status=error.status_code,
        code=phrase.upper().replace(" ", "_").replace("-", "_"),
        detail=detail,
        headers=headers,
    )


def _allowed(request: Request) -> list[str]:
    """The methods of all routes of this path; the router's own answer names those of one route only."""
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
