"""What routes ask for: the services, and who is asking."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from forecastle.auth import users
from forecastle.auth.users import User
from forecastle.bootstrap import Services
from forecastle.errors import Forbidden, NotFound, Unauthenticated
from forecastle.jobs.job import NO_TERMS, Terms

bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login", auto_error=False, description="The token from a login.")


def services(request: Request) -> Services:
    """The services of this process."""
    wired: Services = request.app.state.services
    return wired


ServicesDep = Annotated[Services, Depends(services)]


async def current_user(services: ServicesDep, token: Annotated[str | None, Depends(bearer)]) -> User:
    """Who is asking; an account that was removed meanwhile is nobody.

    Raises:
        Unauthenticated: no token, or one that is invalid or expired.
    """
    if token is None:
        raise Unauthenticated("a bearer token is needed: POST /api/v1/auth/login gives one")
    claims = services.tokens.read(token)
    async with services.database.read() as session:
        try:
            return await users.get(session, claims.user_id)
        except NotFound as error:
            raise Unauthenticated("this account no longer exists") from error


UserDep = Annotated[User, Depends(current_user)]


def _editor(user: UserDep) -> User:
    if user.role == "viewer":
        raise Forbidden("a viewer may look and predict, but not change anything")
    return user


def _admin(user: UserDep) -> User:
    if user.role != "admin":
        raise Forbidden("only an admin may do this")
    return user


EditorDep = Annotated[User, Depends(_editor)]
AdminDep = Annotated[User, Depends(_admin)]


def _terms(
    priority: Annotated[int | None, Query(description="-100 to 100; the higher is run first. 0 if omitted.")] = None,
    timeout_s: Annotated[float | None, Query(description="Stop it after so long; settings may say less.")] = None,
    memory_mb: Annotated[int | None, Query(description="Stop it when it uses more; settings may say less.")] = None,
) -> dict[str, Any]:
    NO_TERMS.but(priority=priority, timeout_s=timeout_s, memory_mb=memory_mb).check()
    return {"priority": priority, "timeout_s": timeout_s, "memory_mb": memory_mb}


def _new_terms(given: "GivenTermsDep") -> Terms:
    return NO_TERMS.but(**given)


GivenTermsDep = Annotated[dict[str, Any], Depends(_terms)]
"""What a request says of a job's terms; None where it says nothing."""
TermsDep = Annotated[Terms, Depends(_new_terms)]
"""The terms of a new job."""
