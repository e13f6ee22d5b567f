"""The fast door: predictions whose request is as it should be, without the routes in between. Pure ASGI.

Whatever is unusual about a request - a header, a body, who asks - goes through the ordinary door, which is handed the
request as it came. So the two doors cannot differ in what they refuse, and how.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forecastle.auth.users import User
from forecastle.bootstrap import Services
from forecastle.errors import ForecastleError
from forecastle.serving.predict import Caller, predict
from forecastle.types import new_id

PATHS = frozenset({"/api/v1/predict", "/predict"})
JSON = b"application/json"
ACCEPTED_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A request for one row."""

    features: list[Any] | dict[str, Any]
    model: str | None = None


class FastDoor:
    """Answers the usual prediction itself and leaves the rest to `app`."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._services = services
        self._clock = services.clock
        self._limit = services.settings.server.max_body_bytes
        self._questions = msgspec.json.Decoder(Question)
        self._answers = msgspec.json.Encoder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        started = self._clock.monotonic_s()
        message = await receive()
        body = message.get("body", b"")
        token, request_id, plain = _headers(scope["headers"])
        if plain and token is not None and not message.get("more_body", False) and len(body) <= self._limit:
            answer = await self._answer(body, token, request_id)
            if answer is not None:
                return await self._send(scope, send, answer, request_id, started)
        await self.app(scope, _replay(message, receive), send)

    async def _answer(self, body: bytes, token: str, request_id: str) -> bytes | None:
        try:
            question = self._questions.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        user = self._services.callers.recall(token)
        try:
            if user is None:
                user = await self._services.callers.identify(token)
            caller = Caller(user.id, request_id)
            prediction = await predict(self._services.serving, question.features, model=question.model, caller=caller)
        except ForecastleError:
            return None
        return self._answers.encode(prediction)

    async def _send(self, scope: Scope, send: Send, body: bytes, request_id: str, started: float) -> None:
        seconds = self._clock.monotonic_s() - started
        headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", JSON),
            (b"x-request-id", request_id.encode()),
            (b"server-timing", b"app;dur=%.2f" % (seconds * 1000)),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._services.metrics.request(method="POST", route=scope["path"], status=200, seconds=seconds)


def _headers(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str, bool]:
    token = request_id = None
    plain = False
    for name, value in headers:
        if name == b"authorization":
            if value[:7] == b"Bearer ":
                token = value[7:].decode("latin-1")
        elif name == b"content-type":
            plain = value == JSON
        elif name == b"x-request-id" and ACCEPTED_REQUEST_ID.fullmatch(value):
            request_id = value.decode()
    return token, request_id or "", plain


def _replay(first: Message, receive: Receive) -> Receive:
    """The request's messages from the first on."""
    left = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
