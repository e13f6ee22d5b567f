"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Send

MEDIA_TYPE = "text/event-stream"
COMMENT = b": nothing new\n\n"
"""Keeps proxies from closing a silent connection."""


class EventStream(StreamingResponse):
    """An endless answer; what feeds it is closed when the client goes."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        """Send events as they come."""
        async with aclosing(self._events):
            await super().stream_response(send)


def event(name: str, data: Any, *, last_id: str) -> bytes:
    """One event; `last_id` is what a client sends as `Last-Event-ID` to go on after it."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (last_id.encode(), name.encode(), msgspec.json.encode(data))
