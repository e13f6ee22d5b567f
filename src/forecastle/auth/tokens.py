"""Access tokens: JSON Web Tokens signed with HS256 (RFC 7519); no other algorithm is accepted."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from forecastle.auth.errors import TokenExpired, TokenInvalid
from forecastle.auth.users import Role, User
from forecastle.clock import Clock
from forecastle.settings import AuthSettings
from forecastle.types import new_id

ALGORITHM = "HS256"
ISSUER = "forecastle"
MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. The role is that of the moment of signing in."""

    user_id: str
    role: Role
    token_id: str
    issued_at: datetime
    expires_at: datetime


Seconds = Annotated[int, msgspec.Meta(ge=0, lt=2**37)]


class _Payload(msgspec.Struct):
    """The claims as they travel; a token with others, or without one of these, is none of ours."""

    iss: Literal["forecastle"]
    sub: str
    role: Role
    jti: str
    iat: Seconds
    exp: Seconds


class Tokens:
    """Issues and reads tokens with one key."""

    def __init__(self, key: bytes, settings: AuthSettings, clock: Clock) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock
        self.lifetime_s = settings.token_minutes * 60

    def issue(self, user: User) -> str:
        """A token that says who the user is, for `lifetime_s` seconds."""
        now = self._clock.now()
        issued_at = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "sub": user.id,
            "role": user.role,
            "jti": new_id(now),
            "iat": issued_at,
            "exp": issued_at + self.lifetime_s,
        }
        return jwt.encode({"alg": ALGORITHM}, claims, self._key, algorithms=[ALGORITHM])

    def read(self, token: str) -> Claims:
        """What the token says.

        Raises:
            TokenExpired: it was valid once.
            TokenInvalid: it is no token of ours, or was changed.
        """
        if len(token) > MAX_CHARACTERS or not token.isascii():
            raise TokenInvalid
        try:
            payload = msgspec.convert(jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims, _Payload)
        except (JoseError, msgspec.ValidationError, ValueError) as error:
            raise TokenInvalid from error
        if payload.exp <= self._clock.now().timestamp():
            raise TokenExpired
        return Claims(
            user_id=payload.sub,
            role=payload.role,
            token_id=payload.jti,
            issued_at=datetime.fromtimestamp(payload.iat, UTC),
            expires_at=datetime.fromtimestamp(payload.exp, UTC),
        )
