"""Password hashes: argon2id, computed in a few threads so that the event loop stays free."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from forecastle.auth.errors import TooManySignIns
from forecastle.auth.rules import PASSWORD_LENGTH, is_text, normalise

T = TypeVar("T")

THREADS = 2
MAX_WAITING = 256


class Passwords:
    """Hashes and verifies, at most `THREADS` at a time. Open it with `open_passwords`."""

    def __init__(self, hasher: PasswordHasher, threads: ThreadPoolExecutor) -> None:
        self._hasher = hasher
        self._threads = threads
        self._waiting = 0
        self._decoy = _unmatchable_hash(hasher)

    async def hash(self, password: str) -> str:
        """The salted hash of a password that the rules accept.

        Raises:
            TooManySignIns: too many wait already.
        """
        return await self._work(lambda: self._hasher.hash(normalise(password)))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password belongs to the hash. Without a hash the answer is no, after the same work.

        Raises:
            TooManySignIns: too many wait already.
        """
        usable = is_text(password) and len(password) < 4 * PASSWORD_LENGTH.stop
        candidate = normalise(password) if usable else ""
        return await self._work(lambda: self._verify(password_hash or self._decoy, candidate))

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those in use."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _work(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooManySignIns
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


@asynccontextmanager
async def open_passwords(hasher: PasswordHasher | None = None) -> AsyncIterator[Passwords]:
    """The hasher with its threads; by default with the second recommended parameters of RFC 9106 (64 MiB, 3 passes)."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
    try:
        yield Passwords(hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY), threads)
    finally:
        threads.shutdown(cancel_futures=True)


def _unmatchable_hash(hasher: PasswordHasher) -> str:
    """A hash of nothing, with the parameters in use, so that checking against it costs what checking costs."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len)
    )
    parameters = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${parameters}${salt}${digest}"
