"""Accounts: register, sign in, list, change a password, remove."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.auth.errors import BadAccount, BadCredentials, LastAdmin, UsernameTaken, UserNotFound
from forecastle.auth.passwords import Passwords
from forecastle.auth.rules import USERNAME, check_password, check_username, fold
from forecastle.auth.tables import UNIQUE_USERNAME, UserRow
from forecastle.db import Database
from forecastle.db.errors import is_unique_violation
from forecastle.db.paging import newest_first
from forecastle.types import Page, new_id

Role = Literal["admin", "user", "viewer"]

ROLES: tuple[Role, ...] = get_args(Role)
FIRST_ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """An account, without its secrets."""

    id: str
    username: str
    role: Role
    created_at: datetime


async def register(
    database: Database, passwords: Passwords, *, username: str, password: str, now: datetime, role: Role = "user"
) -> User:
    """Make an account. The password is hashed before the transaction begins, so that no lock waits for it.

    Raises:
        BadAccount: the username or password is not acceptable.
        UsernameTaken: someone has that name, in whatever letter case.
    """
    check_username(username)
    check_password(password, username=username)
    async with database.read() as session:
        if await _row(session, username) is not None:  # spares the hashing; the unique constraint decides
            raise UsernameTaken(username)
    user = User(new_id(now), username, role, now)
    password_hash = await passwords.hash(password)
    try:
        async with database.write() as session:
            session.add(UserRow(**_columns(user), username_folded=fold(username), password_hash=password_hash))
    except IntegrityError as error:
        if is_unique_violation(error, UNIQUE_USERNAME):
            raise UsernameTaken(username) from error
        raise
    return user


async def authenticate(database: Database, passwords: Passwords, *, username: str, password: str) -> User:
    """The user with that name and password. An unknown name costs as much time as a wrong password.

    Raises:
        BadCredentials: there is no such user, or the password is wrong.
    """
    async with database.read() as session:
        row = await _row(session, username)
    if not await passwords.matches(password, row.password_hash if row else None) or row is None:
        raise BadCredentials
    if passwords.is_outdated(row.password_hash):
        await _store_password(database, row.id, await passwords.hash(password), replacing=row.password_hash)
    return _user(row)


async def get(session: AsyncSession, user_id: str) -> User:
    """The user with that id.

    Raises:
        UserNotFound: there is none.
    """
    row = await session.get(UserRow, user_id)
    if row is None:
        raise UserNotFound(user_id)
    return _user(row)


async def find(session: AsyncSession, username: str) -> User:
    """The user with that name, in whatever letter case.

    Raises:
        UserNotFound: there is none.
    """
    row = await _row(session, username)
    if row is None:
        raise UserNotFound(username)
    return _user(row)


async def list_users(session: AsyncSession, *, limit: int = 100, cursor: str | None = None) -> Page[User]:
    """All users, the newest account first, a page at a time."""
    return await newest_first(session, select(UserRow), UserRow, _user, limit=limit, cursor=cursor)


async def oldest_admin(session: AsyncSession) -> User:
    """The administrator who has been here longest.

    Raises:
        UserNotFound: there is none.
    """
    admins = select(UserRow).where(UserRow.role == "admin").order_by(UserRow.created_at, UserRow.id).limit(1)
    row = (await session.scalars(admins)).one_or_none()
    if row is None:
        raise UserNotFound(FIRST_ADMIN)
    return _user(row)


async def set_password(database: Database, passwords: Passwords, *, username: str, password: str) -> User:
    """Give the user another password.

    Raises:
        UserNotFound: there is none of that name.
        BadAccount: the password is not acceptable.
    """
    async with database.read() as session:
        user = await find(session, username)
    check_password(password, username=user.username)
    await _store_password(database, user.id, await passwords.hash(password))
    return user


async def remove(session: AsyncSession, username: str) -> User:
    """Remove the account and what hangs on it.

    Raises:
        UserNotFound: there is none of that name.
        LastAdmin: nobody could administer afterwards.
    """
    user = await find(session, username)
    if user.role == "admin":
        admins = select(UserRow.id).where(UserRow.role == "admin").order_by(UserRow.id).with_for_update()
        if len((await session.scalars(admins)).all()) == 1:
            raise LastAdmin
    await session.execute(delete(UserRow).where(UserRow.id == user.id))
    return user


async def ensure_admin(database: Database, passwords: Passwords, *, now: datetime) -> str | None:
    """Make the account `admin` if there is no administrator yet; returns its new password, once.

    Raises:
        UsernameTaken: the name belongs to somebody who is no administrator.
    """
    if await _has_admin(database):
        return None
    password = secrets.token_urlsafe(16)
    try:
        await register(database, passwords, username=FIRST_ADMIN, password=password, role="admin", now=now)
    except UsernameTaken:
        if await _has_admin(database):  # another process made it meanwhile, and shows the password
            return None
        raise
    return password


def role(text: str) -> Role:
    """The role of that name.

    Raises:
        BadAccount: there is no such role.
    """
    for known in ROLES:
        if text == known:
            return known
    raise BadAccount.at("role", expected=" or ".join(ROLES), found=text)


async def _has_admin(database: Database) -> bool:
    async with database.read() as session:
        return bool(await session.scalar(select(func.count()).where(UserRow.role == "admin")))


async def _row(session: AsyncSession, username: str) -> UserRow | None:
    if not USERNAME.fullmatch(username):
        return None
    found = select(UserRow).where(UserRow.username_folded == fold(username))
    return (await session.scalars(found)).one_or_none()


async def _store_password(
    database: Database, user_id: str, password_hash: str, *, replacing: str | None = None
) -> None:
    change = update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash)
    if replacing is not None:
        change = change.where(UserRow.password_hash == replacing)
    async with database.write() as session:
        await session.execute(change)


def _columns(user: User) -> dict[str, object]:
    return {name: getattr(user, name) for name in User.__dataclass_fields__}


def _user(row: UserRow) -> User:
    return User(row.id, row.username, role(row.role), row.created_at)
