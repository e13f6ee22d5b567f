"""What surrounds every request: identity, size limit, measurement, and an answer even to a bug. Pure ASGI."""

import re
from collections.abc import Iterable, Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from forecastle.api.problems import BUG, problem_response
from forecastle.api.streams import MEDIA_TYPE
from forecastle.clock import Clock
from forecastle.settings import ServerSettings
from forecastle.telemetry.metrics import Metrics
from forecastle.types import new_id

log = structlog.get_logger("forecastle.api")

ACCEPTED_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,128}")
STREAM = MEDIA_TYPE.encode()
UNMEASURED_ROUTE = "unmatched"


class RequestFrame:
    """Gives a request its id, bounds its body, times it, and turns an escaped exception into a problem response."""

    def __init__(
        self, app: ASGIApp, *, settings: ServerSettings, metrics: Metrics, clock: Clock, upload_bytes: Mapping[str, int]
    ) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.upload_bytes = upload_bytes
        """The largest body of an upload, by the end of its path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self.clock.monotonic_s()
        declared, given = _facts(scope)
        request_id = given if ACCEPTED_REQUEST_ID.fullmatch(given) else new_id(self.clock.now())
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        answered: float | None = None

        async def send_framed(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                now = self.clock.monotonic_s()
                if _is_stream(message["headers"]):  # such an answer lasts as long as it likes
                    answered = now
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", b"app;dur=%.2f" % ((now - started) * 1000)),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        bound = bind_contextvars(request_id=request_id)
        try:
            await self._limited(scope, receive, send_framed, declared)
        except Exception:  # the edge of the process: whatever escaped becomes a 500 and a log line
            log.exception("request failed", path=scope["path"])
            if status == 0:
                await self._answer_bug(scope, send_framed)
        finally:
            reset_contextvars(**bound)
        self._measure(scope, status or 500, (answered or self.clock.monotonic_s()) - started)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, declared: bytes) -> None:
        limit = self._limit(scope)
        seen = 0

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, _too_large(limit))
            return message

        if declared.isdigit() and int(declared) > limit:
            answer = _problem(scope, 413, "TOO_LARGE", _too_large(limit))
            await answer(scope, receive, send)
        else:
            await self.app(scope, receive_limited, send)

    def _limit(self, scope: Scope) -> int:
        path = scope["path"].rstrip("/")
        end = path[path.rfind("/") :] if scope["method"] == "POST" else ""
        return self.upload_bytes.get(end, self.settings.max_body_bytes)

    async def _answer_bug(self, scope: Scope, send: Send) -> None:
        await _problem(scope, 500, "INTERNAL_ERROR", BUG)(scope, _nothing, send)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNMEASURED_ROUTE)
        self.metrics.request(method=scope["method"], route=route, status=status, seconds=seconds)
        if seconds > self.settings.slow_request_s:
            log.warning("slow request", method=scope["method"], route=route, seconds=round(seconds, 3))


def _facts(scope: Scope) -> tuple[bytes, str]:
    """The declared length and the request id that came along, if they did."""
    length = given = None
    for name, value in scope["headers"]:
        if name == b"content-length" and length is None:
            length = value
        elif name == b"x-request-id" and given is None:
            given = value
    return length or b"0", (given or b"").decode("latin-1")


def _is_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(STREAM) for name, value in headers)


def _too_large(limit: int) -> str:
    return f"the body exceeds {limit:,} bytes"


def _problem(scope: Scope, status: int, code: str, detail: str) -> ASGIApp:
    return problem_response(Request(scope), status=status, code=code, detail=detail)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
