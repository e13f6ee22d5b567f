"""Who a token belongs to, remembered for a second, so that not every request asks the database."""

from functools import partial

from forecastle.auth import users
from forecastle.auth.tokens import Tokens
from forecastle.auth.users import User
from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.errors import NotFound, Unauthenticated
from forecastle.flights import Flights

TTL_S = 1.0
"""How long an account that another process removed may still be served here."""
CAPACITY = 10_000


class Callers:
    """The accounts behind tokens; what is known of one is looked up anew every second."""

    def __init__(self, database: Database, tokens: Tokens, clock: Clock) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._known: dict[str, tuple[float, User]] = {}
        self._flights = Flights()

    def recall(self, token: str) -> User | None:
        """Who it is, if that was settled within the last second."""
        known = self._known.get(token)
        return known[1] if known is not None and self._clock.monotonic_s() < known[0] else None

    async def identify(self, token: str) -> User:
        """Whose token it is.

        Raises:
            Unauthenticated: the token is invalid or expired, or the account was removed.
            Unavailable: the database cannot be asked.
        """
        if (user := self.recall(token)) is not None:
            return user
        return await self._flights.once(token, partial(self._identify, token))

    async def _identify(self, token: str) -> User:
        claims = self._tokens.read(token)
        try:
            async with self._database.read() as session:
                user = await users.get(session, claims.user_id)
        except NotFound as error:
            raise Unauthenticated("this account no longer exists") from error
        valid_s = (claims.expires_at - self._clock.now()).total_seconds()
        if len(self._known) >= CAPACITY:
            self._known.clear()
        self._known[token] = (self._clock.monotonic_s() + min(TTL_S, valid_s), user)
        return user
