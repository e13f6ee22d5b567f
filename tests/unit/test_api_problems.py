"""Every error becomes a problem response that says what, where and what was expected."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from forecastle import errors
from forecastle.api import problems


class Order(BaseModel):
    count: int


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/orders")
    async def order(order: Order) -> int:
        return order.count

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
    assert problem["field"] == "count"
    assert "integer" in problem["expected"]
    assert problem["found"] == "'many'"


async def test_a_missing_field_is_named(http: httpx.AsyncClient) -> None:
    response = await http.post("/orders", json={})
    assert [problem["field"] for problem in response.json()["errors"]] == ["count"]


async def test_a_body_that_is_not_json_is_400(http: httpx.AsyncClient) -> None:
    response = await http.post("/orders", content=b"{", headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["code"] == "MALFORMED_JSON"


async def test_405_names_the_methods_of_every_route_of_the_path(app: FastAPI, http: httpx.AsyncClient) -> None:
    @app.get("/orders")
    async def orders() -> list[int]:
        return []

    response = await http.delete("/orders")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_unknown_paths_and_methods_are_problems_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/nowhere")).json()["code"] == "NOT_FOUND"
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
