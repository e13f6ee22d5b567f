"""At which revision the schema is. What changes it, `migrate`, takes 10 MB that a server seldom needs."""

from sqlalchemy import inspect, text

from forecastle.db.engine import Database

NEWEST = "0005"
"""The revision of the last migration."""


async def current(database: Database) -> str | None:
    """The revision that the database is at, or None if it is empty.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    async with database.connect() as connection:
        if not await connection.run_sync(lambda bound: inspect(bound).has_table("alembic_version")):
            return None
        return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
