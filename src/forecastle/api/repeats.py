"""Keys that a JSON body gives twice: refused, so that no value is silently the one that counts."""

import json
from typing import Any

from fastapi import Request

from forecastle.api.bodies import is_json, media_type
from forecastle.api.fields import MAX_ITEMS
from forecastle.api.query import refuse_strangers
from forecastle.errors import BadInput, FieldProblem, clip

EXPECTED, FOUND = "to be given once", "given more than once"


async def refuse_repeated(request: Request) -> None:
    """Let through a body without JSON, or whose objects give each key once; what is no JSON is told elsewhere.

    Raises:
        BadInput: a key is given twice; each is named.
        Unauthenticated: the route asks who one is, which comes first.
    """
    if not is_json(media_type(request)):
        return
    keys = repeated(await request.body())
    if keys:
        await refuse_strangers(request)
        raise BadInput(problems=[FieldProblem(clip(key), EXPECTED, FOUND) for key in keys[:MAX_ITEMS]])


def repeated(body: bytes) -> tuple[str, ...]:
    """The keys that some object in a JSON text gives more than once; none if it is no JSON."""
    if body.count(b":") < 2:
        return ()
    found: dict[str, None] = {}

    def look_at(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                found[key] = None
            seen.add(key)

    try:
        json.loads(body, object_pairs_hook=look_at)
    except (ValueError, RecursionError):
        return ()
    return tuple(found)
