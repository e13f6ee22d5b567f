"""Searches and their trials."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("document", json, nullable=False),
        sa.Column("metric", sa.String(64), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("terms", json, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("outcome", json),
        sa.Column("owner", sa.String(26)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("method IN ('grid', 'random', 'bayes', 'evolve')", name="ck_searches_method"),
        sa.CheckConstraint("status IN ('running', 'completed', 'failed', 'cancelled')", name="ck_searches_status"),
        sa.PrimaryKeyConstraint("id", name="pk_searches"),
    )
    op.create_index("ix_searches_created_at_id", "searches", ["created_at", "id"], unique=False)
    op.create_index("ix_searches_status", "searches", ["status"], unique=False)
    op.create_table(
        "trials",
        sa.Column("search_id", sa.String(26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parameters", json, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("model_id", sa.String(26)),
        sa.Column("job_id", sa.String(26)),
        sa.Column("borrowed", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("folds", json, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('running', 'completed', 'duplicate', 'stopped', 'failed', 'cancelled')", name="ck_trials_state"
        ),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name="fk_trials_search_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("search_id", "number", name="pk_trials"),
    )
    for columns in (["state", "search_id"], ["job_id"], ["model_id"], ["fingerprint"]):
        op.create_index(f"ix_trials_{'_'.join(columns)}", "trials", columns, unique=False)


def downgrade() -> None:
    op.drop_table("trials")
    op.drop_table("searches")
