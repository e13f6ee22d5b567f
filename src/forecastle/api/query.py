"""Query parameters that a route does not know: refused, so that no filter is misspelt and ignored."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from forecastle.api.depends import bearer, current_user, services
from forecastle.api.fields import MAX_ITEMS
from forecastle.errors import BadInput, FieldProblem, clip
from forecastle.wording import suggest

NAMELESS = "a parameter without a name"


async def refuse_unknown(request: Request) -> None:
    """Let through what the route documents.

    Raises:
        BadInput: there is a parameter that it does not; each is named, beside those that there are.
        Unauthenticated: the route asks who one is, which comes first.
    """
    if not request.scope["query_string"]:
        return
    dependant: Dependant = request.scope["route"].dependant
    known = tuple(dict.fromkeys(_parameters(dependant)))
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if not unknown:
        return
    await refuse_strangers(request)
    one_of = f"one of {', '.join(known)}" if known else "no query parameter"
    raise BadInput(
        problems=[
            FieldProblem(name or NAMELESS, f"{one_of}{suggest(name, known)}", "an unknown parameter")
            for name in map(clip, unknown[:MAX_ITEMS])
        ]
    )


async def refuse_strangers(request: Request) -> None:
    """Let through who is known, if the route asks.

    Raises:
        Unauthenticated: it asks, and nobody is.
    """
    if _asks_who(request.scope["route"].dependant):
        await current_user(services(request), await bearer(request))


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is current_user or any(map(_asks_who, dependant.dependencies))
