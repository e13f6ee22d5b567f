"""Accounts behave the same on every database."""

import asyncio

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from forecastle.auth import users
from forecastle.auth.errors import BadAccount, BadCredentials, LastAdmin, UsernameTaken, UserNotFound
from forecastle.auth.passwords import Passwords, open_passwords
from forecastle.auth.tables import UserRow
from forecastle.auth.users import Role, User
from forecastle.clock import ManualClock
from forecastle.db import Database
from forecastle.serving.tables import PredictionRow

PASSWORD = "correct horse battery"


class Accounts:
    """The functions of the room with their resources filled in."""

    def __init__(self, database: Database, passwords: Passwords, clock: ManualClock) -> None:
        self.database, self.passwords, self.clock = database, passwords, clock

    async def register(self, username: str, password: str = PASSWORD, role: Role = "user") -> User:
        self.clock.advance(1)
        return await users.register(
            self.database, self.passwords, username=username, password=password, role=role, now=self.clock.now()
        )

    async def authenticate(self, username: str, password: str = PASSWORD) -> User:
        return await users.authenticate(self.database, self.passwords, username=username, password=password)

    async def set_password(self, username: str, password: str) -> User:
        return await users.set_password(self.database, self.passwords, username=username, password=password)

    async def ensure_admin(self) -> str | None:
        return await users.ensure_admin(self.database, self.passwords, now=self.clock.now())

    async def remove(self, username: str) -> User:
        async with self.database.write() as session:
            return await users.remove(session, username)

    async def names(self) -> list[str]:
        async with self.database.read() as session:
            return [user.username for user in (await users.list_users(session)).items]

    async def password_hash(self, username: str) -> str:
        async with self.database.read() as session:
            found = await session.scalars(select(UserRow.password_hash).where(UserRow.username == username))
            return found.one()


@pytest.fixture
def accounts(database: Database, passwords: Passwords, clock: ManualClock) -> Accounts:
    return Accounts(database, passwords, clock)


async def test_a_registered_user_can_sign_in_and_be_found(accounts: Accounts) -> None:
    ada = await accounts.register("Ada")
    assert (ada.username, ada.role, ada.created_at) == ("Ada", "user", accounts.clock.now())
    assert await accounts.authenticate("Ada") == ada
    async with accounts.database.read() as session:
        assert await users.get(session, ada.id) == ada
        assert await users.find(session, "ADA") == ada


async def test_letter_case_makes_no_other_user(accounts: Accounts) -> None:
    ada = await accounts.register("Ada")
    with pytest.raises(UsernameTaken, match="'aDA' is taken"):
        await accounts.register("aDA")
    assert await accounts.authenticate("ADA") == ada


async def test_of_twenty_registrations_of_one_name_at_once_one_wins(accounts: Accounts) -> None:
    results = await asyncio.gather(*(accounts.register("ada") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, UsernameTaken) for result in results) == 19
    assert await accounts.names() == ["ada"]


@pytest.mark.parametrize(
    "password", ["wrong horse battery", "", "x" * 100_000, "\ud800\ud800\ud800\ud800", PASSWORD + " "]
)
async def test_a_wrong_password_is_refused(accounts: Accounts, password: str) -> None:
    await accounts.register("ada")
    with pytest.raises(BadCredentials, match="username or the password is wrong"):
        await accounts.authenticate("ada", password)


@pytest.mark.parametrize("username", ["bob", "", "a" * 10_000, "ada\x00", "ada' OR '1'='1", "\ud800", "\uff41da"])
async def test_an_unknown_user_is_refused_with_the_same_words(accounts: Accounts, username: str) -> None:
    await accounts.register("ada")
    with pytest.raises(BadCredentials, match="username or the password is wrong"):
        await accounts.authenticate(username)


async def test_passwords_that_look_the_same_are_the_same(accounts: Accounts) -> None:
    await accounts.register("ada", "caf\u00e9 caf\u00e9")
    assert (await accounts.authenticate("ada", "cafe\u0301 cafe\u0301")).username == "ada"


async def test_a_new_password_replaces_the_old_one(accounts: Accounts) -> None:
    await accounts.register("ada")
    await accounts.set_password("ADA", "another one entirely")
    assert (await accounts.authenticate("ada", "another one entirely")).username == "ada"
    with pytest.raises(BadCredentials):
        await accounts.authenticate("ada")


async def test_a_new_password_obeys_the_rules(accounts: Accounts) -> None:
    await accounts.register("long.username")
    with pytest.raises(BadAccount, match="other than the username"):
        await accounts.set_password("long.username", "LONG.username")
    with pytest.raises(UserNotFound, match="no user 'bob'"):
        await accounts.set_password("bob", PASSWORD)


async def test_no_hash_shows_the_password_and_two_are_never_alike(accounts: Accounts) -> None:
    await accounts.register("ada")
    await accounts.register("bob")
    first, second = await accounts.password_hash("ada"), await accounts.password_hash("bob")
    assert first.startswith("$argon2id$")
    assert first != second
    assert PASSWORD not in first


async def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(accounts: Accounts) -> None:
    await accounts.register("ada")
    old = await accounts.password_hash("ada")
    async with open_passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)) as stronger:
        await users.authenticate(accounts.database, stronger, username="ada", password=PASSWORD)
        new = await accounts.password_hash("ada")
        assert "m=16,t=2" in new
        assert new != old
        await users.authenticate(accounts.database, stronger, username="ada", password=PASSWORD)
        assert await accounts.password_hash("ada") == new


async def test_users_are_listed_newest_first_a_page_at_a_time(accounts: Accounts) -> None:
    for name in ("ada", "bob", "cyd", "dan", "eve"):
        await accounts.register(name)
    seen: list[str] = []
    cursor: str | None = None
    async with accounts.database.read() as session:
        while True:
            page = await users.list_users(session, limit=2, cursor=cursor)
            seen += [user.username for user in page.items]
            cursor = page.next
            if cursor is None:
                break
    assert seen == ["eve", "dan", "cyd", "bob", "ada"]


async def test_a_removed_user_is_gone(accounts: Accounts) -> None:
    ada = await accounts.register("ada")
    assert await accounts.remove("Ada") == ada
    with pytest.raises(BadCredentials):
        await accounts.authenticate("ada")
    with pytest.raises(UserNotFound):
        await accounts.remove("ada")
    async with accounts.database.read() as session:
        with pytest.raises(UserNotFound):
            await users.get(session, ada.id)


async def test_the_predictions_of_a_removed_user_go_too(accounts: Accounts) -> None:
    ada, bob = await accounts.register("ada"), await accounts.register("bob")
    async with accounts.database.write() as session:
        session.add_all(_prediction(owner) for owner in (ada, bob))
    await accounts.remove("ada")
    async with accounts.database.read() as session:
        assert list(await session.scalars(select(PredictionRow.owner))) == [bob.id]


def _prediction(owner: User) -> PredictionRow:
    model = {"model_id": "m", "model_name": "prices", "model_version": 1}
    answer = {"input": {}, "output": {}, "latency_ms": 1.0, "cached": False}
    return PredictionRow(id=f"p-{owner.username}", owner=owner.id, created_at=owner.created_at, **model, **answer)


async def test_the_last_admin_stays(accounts: Accounts) -> None:
    await accounts.register("root1", role="admin")
    with pytest.raises(LastAdmin):
        await accounts.remove("root1")
    await accounts.register("root2", role="admin")
    await accounts.remove("root1")
    assert await accounts.names() == ["root2"]


async def test_two_admins_who_remove_each_other_at_once_leave_one(accounts: Accounts) -> None:
    await accounts.register("root1", role="admin")
    await accounts.register("root2", role="admin")
    results = await asyncio.gather(accounts.remove("root1"), accounts.remove("root2"), return_exceptions=True)
    assert sum(isinstance(result, LastAdmin) for result in results) == 1
    assert len(await accounts.names()) == 1


async def test_the_first_start_makes_an_admin_and_shows_the_password_once(accounts: Accounts) -> None:
    password = await accounts.ensure_admin()
    assert password is not None
    admin = await accounts.authenticate("admin", password)
    assert admin.role == "admin"
    assert await accounts.ensure_admin() is None
    async with accounts.database.read() as session:
        assert await users.oldest_admin(session) == admin


async def test_many_first_starts_at_once_make_one_admin(accounts: Accounts) -> None:
    passwords = await asyncio.gather(*(accounts.ensure_admin() for _ in range(5)))
    assert sum(password is not None for password in passwords) == 1
    assert await accounts.names() == ["admin"]


async def test_any_admin_will_do(accounts: Accounts) -> None:
    await accounts.register("chief", role="admin")
    assert await accounts.ensure_admin() is None


async def test_a_user_who_took_the_name_admin_does_not_become_one(accounts: Accounts) -> None:
    await accounts.register("Admin")
    with pytest.raises(UsernameTaken):
        await accounts.ensure_admin()
    assert (await accounts.authenticate("admin")).role == "user"


async def test_without_an_admin_there_is_no_oldest(accounts: Accounts) -> None:
    async with accounts.database.read() as session:
        with pytest.raises(UserNotFound):
            await users.oldest_admin(session)


async def test_the_database_itself_refuses_other_roles(accounts: Accounts) -> None:
    await accounts.register("ada")
    with pytest.raises(Exception, match="ck_users_role"):
        async with accounts.database.write() as session:
            await session.execute(update(UserRow).values(role="emperor"))
