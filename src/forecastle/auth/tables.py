"""The table of users."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from forecastle.db import Base, UtcDateTime

UNIQUE_USERNAME = "uq_users_username_folded"


class UserRow(Base):
    """One account. `username_folded` is the lower-case name by which it is found; `username` is how it is shown."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username_folded", name=UNIQUE_USERNAME),
        CheckConstraint("role IN ('admin', 'user', 'viewer')", name="role"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    username: Mapped[str] = mapped_column(String(64))
    username_folded: Mapped[str] = mapped_column(String(64))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
