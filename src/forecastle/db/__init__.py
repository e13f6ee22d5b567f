"""The database: engine, sessions, shared column types and migrations.

Tables live beside the statements that use them, in the room they belong to; all share `Base.metadata`.
"""

from forecastle.db.base import Base, JsonColumn, UtcDateTime
from forecastle.db.engine import Database, PoolStatistics, open_database

__all__ = ["Base", "Database", "JsonColumn", "PoolStatistics", "UtcDateTime", "open_database"]
