"""The fast door: predictions by vector or by name, without what general routes cost. Pure ASGI.

Whatever is unusual about a request - its headers, its query, a body that cannot be used - goes through the ordinary
door, which is handed the request as it came. So the doors cannot differ in what they refuse, nor in how.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forecastle.api.problems import on_forecastle_error
from forecastle.api.routes.predictions import batch_answer
from forecastle.bootstrap import Services
from forecastle.errors import ForecastleError
from forecastle.serving.predict import Caller, predict, predict_many

JSON = b"application/json"
BEARER = b"Bearer "

Row: TypeAlias = list[Any] | dict[str, Any]
Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]


class OneRow(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for one row."""

    features: Row
    model: Name | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def rows(self) -> Sequence[Row]:
        """The one row."""
        return (self.features,)


class Rows(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for several."""

    samples: list[Row]
    model: Name | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def rows(self) -> Sequence[Row]:
        """All of them."""
        return self.samples


def _named(body: OneRow | Rows) -> str | None:
    return None if body.model is msgspec.UNSET else body.model


Ask: TypeAlias = Callable[[Services, Any, Caller], Awaitable[object]]


async def _ask_one(services: Services, body: OneRow, caller: Caller) -> object:
    return await predict(services.serving, body.features, model=_named(body), caller=caller)


async def _ask_many(services: Services, body: Rows, caller: Caller) -> object:
    return batch_answer(await predict_many(services.serving, body.samples, model=_named(body), caller=caller))


class _Window:
    """One kind of request: how its body is read, and what is asked."""

    def __init__(self, path: str, body: type[OneRow | Rows], ask: Ask) -> None:
        self.route = SimpleNamespace(path=path)
        """What the measurements call it."""
        self.decode = msgspec.json.Decoder(body).decode
        self.ask = ask


WINDOWS: Mapping[str, _Window] = {
    window.route.path: window
    for window in (
        _Window("/api/v1/predict", OneRow, _ask_one),
        _Window("/predict", OneRow, _ask_one),
        _Window("/api/v1/batch-predict", Rows, _ask_many),
        _Window("/batch-predict", Rows, _ask_many),
        _Window("/predict/batch", Rows, _ask_many),
    )
}


class FastDoor:
    """Answers the usual request for predictions itself and leaves every other to `app`, the ordinary door."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._services = services
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        window = WINDOWS.get(scope["path"]) if scope["type"] == "http" else None
        token = _token(scope) if window is not None else None
        if window is None or token is None:
            await self.app(scope, receive, send)
            return
        first = await receive()
        body = None if first.get("more_body") else _read(window, first.get("body", b""))
        if body is None:
            await self.app(scope, _again(first, receive), send)
            return
        scope["route"] = window.route
        try:
            answer = await self._answer(window, body, token, scope["state"]["request_id"])
        except ForecastleError as error:
            refusal = await on_forecastle_error(Request(scope, receive), error)
            await refusal(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(answer)), (b"content-type", JSON)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, window: _Window, body: OneRow | Rows, token: str, request_id: str) -> bytes:
        callers = self._services.callers
        user = callers.recall(token) or await callers.identify(token)
        return self._encode(await window.ask(self._services, body, Caller(user.id, request_id)))


def _token(scope: Scope) -> str | None:
    """The bearer token of a request whose every header is as usual; None sends it to the ordinary door."""
    if scope["method"] != "POST" or scope["query_string"]:
        return None
    token, plain = None, False
    for name, value in scope["headers"]:
        if name == b"authorization":
            if token is not None or not value.startswith(BEARER):
                return None
            token = value[len(BEARER) :].decode("latin-1")
        elif name == b"content-type":
            plain = value == JSON
    return token if plain else None


def _read(window: _Window, body: bytes) -> OneRow | Rows | None:
    """The body, if it is a usual one: with no more colons than keys, none of which can then be there twice."""
    try:
        read: OneRow | Rows = window.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    keys = 1 + (read.model is not msgspec.UNSET) + sum(len(row) for row in read.rows if type(row) is dict)
    return read if body.count(b":") == keys else None


def _again(first: Message, receive: Receive) -> Receive:
    """The request's messages from the first on."""
    left = [first]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again
