"""Accounts and tokens: register, sign in, who am I, who else."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forecastle.api.bodies import JSON, URLENCODED, is_json, media_type, wrong_media_type
from forecastle.api.depends import AdminDep, ServicesDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.auth import users
from forecastle.auth.errors import RegistrationClosed
from forecastle.auth.users import User
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["access"])


class Registration(BaseModel):
    """The account wanted."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(description="2 to 64 letters, digits or . _ @ + -", examples=["ada"])
    password: str = Field(description="8 to 256 characters", examples=["correct horse battery"])


class Credentials(BaseModel):
    """Who signs in."""

    username: str = Field(examples=["ada"])
    password: str = Field(examples=["correct horse battery"])


class AccessToken(BaseModel):
    """The token to send as `Authorization: Bearer …`, and for how many seconds it is valid."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a kind
    expires_in: int


async def _credentials(request: Request) -> Credentials:
    """From a JSON body, or from the form that OAuth2 clients send."""
    kind = media_type(request)
    if kind != URLENCODED and not is_json(kind):
        raise wrong_media_type(request, JSON, URLENCODED)
    try:
        if kind == URLENCODED:
            async with request.form() as form:
                return Credentials.model_validate(dict(form))
        return Credentials.model_validate_json(await request.body())
    except ValidationError as error:
        found: list[Any] = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(found) from error


_SCHEMA = {"schema": Credentials.model_json_schema()}
_CREDENTIALS_BODY = {"requestBody": {"required": True, "content": {JSON: _SCHEMA, URLENCODED: _SCHEMA}}}


@router.post("/auth/register", status_code=201)
async def register(services: ServicesDep, body: Registration) -> User:
    """Make an account. The username is unique whatever its letter case."""
    if services.settings.auth.registration == "closed":
        raise RegistrationClosed
    return await users.register(
        services.database,
        services.passwords,
        username=body.username,
        password=body.password,
        now=services.clock.now(),
    )


@router.post("/auth/login", openapi_extra=_CREDENTIALS_BODY)
async def login(services: ServicesDep, credentials: Annotated[Credentials, Depends(_credentials)]) -> AccessToken:
    """Sign in with a JSON body or an OAuth2 password form; the answer is a token for the other routes."""
    user = await users.authenticate(
        services.database, services.passwords, username=credentials.username, password=credentials.password
    )
    return AccessToken(access_token=services.tokens.issue(user), expires_in=services.tokens.lifetime_s)


@router.get("/users/me")
async def me(user: UserDep) -> User:
    """Who the token says you are."""
    return user


@router.get("/users")
async def list_users(
    services: ServicesDep,
    _admin: AdminDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of an earlier page.")] = None,
) -> Page[User]:
    """All accounts, the newest first."""
    async with services.database.read() as session:
        return await users.list_users(session, limit=limit, cursor=cursor)
