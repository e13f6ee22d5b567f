"""What routes ask for: the services, and who is asking."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from forecastle.auth import users
from forecastle.auth.users import User
from forecastle.bootstrap import Services
from forecastle.errors import Forbidden, NotFound, Unauthenticated

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
