"""Hashing leaves the event loop free, is bounded, and costs the same for users who do not exist."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from forecastle.auth import passwords as room
from forecastle.auth.errors import TooManySignIns
from forecastle.auth.passwords import Passwords, open_passwords


@pytest.fixture
async def real() -> AsyncIterator[Passwords]:
    """With the parameters of production."""
    async with open_passwords() as passwords:
        yield passwords


async def test_a_hash_matches_its_password_alone(passwords: Passwords) -> None:
    password_hash = await passwords.hash("correct horse")
    assert await passwords.matches("correct horse", password_hash)
    assert not await passwords.matches("wrong horse", password_hash)


async def test_the_parameters_are_those_of_rfc_9106(real: Passwords) -> None:
    parameters = extract_parameters(await real.hash("correct horse"))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (65536, 3, 4)


async def test_nobody_is_checked_against_the_same_parameters(real: Passwords) -> None:
    assert extract_parameters(real._decoy) == extract_parameters(await real.hash("correct horse"))
    assert not await real.matches("correct horse", None)
    assert not await real.matches("", None)


async def test_the_event_loop_runs_on_while_a_password_is_hashed(real: Passwords) -> None:
    hashing = asyncio.create_task(real.hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


async def test_more_than_can_be_worked_off_are_sent_away(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WAITING", 3)
    results = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, TooManySignIns) for result in results) == 2
    assert await passwords.matches("correct horse", await passwords.hash("correct horse"))


async def test_other_parameters_make_a_hash_outdated(passwords: Passwords) -> None:
    async with open_passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)) as others:
        password_hash = await others.hash("correct horse")
        assert not others.is_outdated(password_hash)
        assert passwords.is_outdated(password_hash)
