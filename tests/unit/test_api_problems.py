"""Every error becomes a problem response that says what, where and what was expected."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from forecastle import errors
from forecastle.api import problems


class Order(BaseModel):
    count: int


class Letter(BaseModel):
    """One field of every kind that requests have."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, Field(min_length=2, max_length=5)] = "none"
    pages: Annotated[int, Field(ge=1, le=9)] = 1
    weight: Annotated[float, Field(strict=True, allow_inf_nan=False)] = 1.0
    urgent: bool = False
    colour: Literal["red", "blue"] = "red"
    lines: Annotated[list[str], Field(min_length=1, max_length=2)] = ["-"]
    notes: dict[Annotated[str, Field(max_length=3)], bool | float | Annotated[str, Field(max_length=4)] | None] = {}
    body: list[Any] | dict[str, Any] | None = None


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/orders")
    async def order(order: Order) -> int:
        return order.count

    @app.post("/letters")
    async def letter(letter: Letter, copies: Annotated[int, Query(ge=1)] = 1) -> int:
        return letter.pages * copies

    return app


@pytest.fixture
async def http(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def every_class(root: type[errors.ForecastleError]) -> Iterator[type[errors.ForecastleError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadInput.at("size", expected="a number", found="big"), 422),
        (errors.NotFound("there is no model 'x'"), 404),
        (errors.Conflict("the name is taken"), 409),
        (errors.TooLarge("more than 100 rows"), 413),
        (errors.Unauthenticated(), 401),
        (errors.Forbidden(), 403),
        (errors.Unavailable("the database is away"), 503),
        (errors.DeadlineExceeded(), 504),
    ],
)
async def test_an_error_keeps_its_words_and_gets_the_status_of_its_class(
    app: FastAPI, http: httpx.AsyncClient, error: errors.ForecastleError, status: int
) -> None:
    @app.get("/fails")
    async def fails() -> None:
        raise error

    response = await http.get("/fails")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["detail"], body["instance"]) == (status, error.message, "/fails")
    assert body["code"] == body["error"] == error.code


async def test_a_class_of_a_room_gets_the_status_of_its_nearest_ancestor() -> None:
    class NoSuchShelf(errors.NotFound):
        """There is no such shelf."""

    assert problems.status_of(NoSuchShelf()) == 404
    assert NoSuchShelf().message == "There is no such shelf."


async def test_an_internal_error_says_nothing_of_itself(app: FastAPI, http: httpx.AsyncClient) -> None:
    @app.get("/fails")
    async def fails() -> None:
        raise errors.ForecastleError("the secret is 1234")

    response = await http.get("/fails")
    assert response.status_code == 500
    assert "1234" not in response.text


async def test_a_bug_is_a_problem_too(app: FastAPI) -> None:
    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError("the secret is 1234")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        response = await http.get("/fails")
    assert (response.status_code, response.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "1234" not in response.text


async def test_401_tells_how_to_sign_in_and_503_when_to_come_back(app: FastAPI, http: httpx.AsyncClient) -> None:
    @app.get("/who")
    async def who() -> None:
        raise errors.Unauthenticated

    @app.get("/away")
    async def away() -> None:
        raise errors.Unavailable

    assert (await http.get("/who")).headers["www-authenticate"] == "Bearer"
    assert (await http.get("/away")).headers["retry-after"] == "1"


async def test_a_wrong_field_is_named_with_what_was_found(http: httpx.AsyncClient) -> None:
    response = await http.post("/orders", json={"count": "many"})
    assert response.status_code == 422
    (problem,) = response.json()["errors"]
    assert problem == {"field": "count", "expected": "a whole number", "found": '"many"'}


KNOWN = "one of subject, pages, weight, urgent, colour, lines, notes, body"


@pytest.mark.parametrize(
    ("body", "field", "expected", "found"),
    [
        ({"subject": None}, "subject", "text", "null"),
        ({"subject": "a"}, "subject", "at least 2 characters", '"a"'),
        ({"subject": "abcdef"}, "subject", "at most 5 characters", '"abcdef"'),
        ({"subject": "\ud800\ud800"}, "subject", "text without lone surrogates", '"\ufffd\ufffd"'),
        ({"pages": "many"}, "pages", "a whole number", '"many"'),
        ({"pages": 1.5}, "pages", "a whole number", "1.5"),
        ({"pages": []}, "pages", "a whole number", "[]"),
        ({"pages": 0}, "pages", "at least 1", "0"),
        ({"pages": 10}, "pages", "at most 9", "10"),
        ({"weight": True}, "weight", "a number", "true"),
        ({"weight": float("inf")}, "weight", "a finite number", "Infinity"),
        ({"urgent": "perhaps"}, "urgent", "true or false", '"perhaps"'),
        ({"colour": "green"}, "colour", "'red' or 'blue'", '"green"'),
        ({"lines": "a"}, "lines", "a list", '"a"'),
        ({"lines": []}, "lines", "at least 1 entry", "[]"),
        ({"lines": ["a", "b", "c"]}, "lines", "at most 2 entries", '["a", "b", "c"]'),
        ({"lines": ["a", {"b": None}]}, "lines.1", "text", '{"b": null}'),
        ({"notes": {"str": [1]}}, "notes.str", "true or false, a number or text", "[1]"),
        ({"notes": {"a": "abcde"}}, "notes.a", "at most 4 characters", '"abcde"'),
        ({"notes": {"abcd": 1}}, "notes.abcd", "at most 3 characters", '"abcd"'),
        ({"notes": 3}, "notes", "an object", "3"),
        ({"body": "x"}, "body", "a list or an object", '"x"'),
        ({"pagse": 3}, "pagse", f"{KNOWN} (did you mean pages?)", "an unknown field"),
        ({"zzz": None}, "zzz", KNOWN, "an unknown field"),
        ([], "body", "an object", "[]"),
        (None, "body", "an object", "null"),
    ],
)
async def test_a_wrong_field_is_told_once_and_in_our_words(
    http: httpx.AsyncClient, body: object, field: str, expected: str, found: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await http.post("/letters", content=json.dumps(body), headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": field, "expected": expected, "found": found}]


@pytest.mark.parametrize(("query", "found"), [("many", "many"), ("0", "0"), ("", '""')])
async def test_a_query_is_text_and_is_shown_as_such(http: httpx.AsyncClient, query: str, found: str) -> None:
    response = await http.post("/letters", params={"copies": query}, json={})
    (problem,) = response.json()["errors"]
    assert (problem["field"], problem["found"]) == ("copies", found)


async def test_of_many_wrong_fields_the_first_are_named(http: httpx.AsyncClient) -> None:
    response = await http.post("/letters", json={f"x{number}": 1 for number in range(10_000)})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["errors"]] == [f"x{number}" for number in range(20)]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
async def test_a_body_that_does_not_say_it_is_json_is_415(http: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": f"{kind}; charset=utf-8"}
    response = await http.post("/orders", content=b'{"count": 1}', headers=headers)
    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert response.json()["detail"] == f"Content-Type: expected application/json, found {kind or 'nothing'}"
    assert [problem["field"] for problem in response.json()["errors"]] == ["Content-Type"]


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/merge-patch+json"]
)
async def test_a_body_that_says_it_is_json_is_read(http: httpx.AsyncClient, kind: str) -> None:
    response = await http.post("/orders", content=b'{"count": 1}', headers={"Content-Type": kind})
    assert (response.status_code, response.json()) == (200, 1)


async def test_a_missing_field_is_named(http: httpx.AsyncClient) -> None:
    response = await http.post("/orders", json={})
    assert [problem["field"] for problem in response.json()["errors"]] == ["count"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "at character 2"),
        (b'{"count": "\xff"}', "byte 12 is not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"count": ' + b"9" * 5_000 + b"}", "an integer of too many digits"),
    ],
)
async def test_a_body_that_is_not_json_is_400_and_says_why(
    http: httpx.AsyncClient, content: bytes, reason: str
) -> None:
    response = await http.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["code"] == "MALFORMED_JSON"
    assert response.json()["detail"].startswith("the body is not JSON: ")
    assert reason in response.json()["detail"]


async def test_405_names_the_methods_of_every_route_of_the_path(app: FastAPI, http: httpx.AsyncClient) -> None:
    @app.get("/orders")
    async def orders() -> list[int]:
        return []

    response = await http.delete("/orders")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json()["detail"] == "/orders takes GET, POST, found DELETE"


async def test_unknown_paths_and_methods_are_problems_too(http: httpx.AsyncClient) -> None:
    unknown = (await http.get("/nowhere")).json()
    assert (unknown["code"], unknown["detail"]) == ("NOT_FOUND", "there is nothing at /nowhere")
    response = await http.get("/orders")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["code"] == "METHOD_NOT_ALLOWED"


def test_every_error_class_has_a_sentence_a_code_and_a_status() -> None:
    for kind in every_class(errors.ForecastleError):
        assert kind.__doc__, kind
        assert kind.code == kind.code.upper(), kind
        assert any(ancestor in problems.STATUSES for ancestor in kind.__mro__)


async def test_what_cannot_be_encoded_is_replaced_in_the_answer(app: FastAPI, http: httpx.AsyncClient) -> None:
    @app.get("/fails")
    async def fails() -> None:
        raise errors.NotFound("there is no model '\ud800\x00\x1b[2J'")

    response = await http.get("/fails")
    assert response.status_code == 404
    assert response.json()["detail"] == "there is no model '\ufffd\ufffd\ufffd[2J'"
    content = b'{"count": "\\ud800"}'
    response = await http.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
