"""The leaderboard: measures and tags in tables of their own, cohorts and groups, one index to filter by."""

import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LISTING = ["created_at", "id", "name", "stage", "task", "algorithm", "dataset", "owner", "parent", "cohort", "group"]
HEADLINES = {"classification": "log_loss", "regression": "rmse"}
PAGE = 1000


def upgrade() -> None:
    op.add_column("models", sa.Column("cohort", sa.String(100)))
    op.add_column("models", sa.Column("group", sa.String(100)))
    op.drop_index("ix_models_created_at_id", "models")
    op.create_index("ix_models_listing", "models", LISTING, unique=False)
    for column in ("parent", "cohort", "group"):
        op.create_index(f"ix_models_{column}", "models", [column], unique=False)
    measures = op.create_table(
        "model_measures",
        sa.Column("model_id", sa.String(26), nullable=False),
        sa.Column("measure", sa.String(100), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_measures_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "measure", name="pk_model_measures"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_model_measures_measure_value_model_id", "model_measures", ["measure", "value", "model_id"])
    tags = op.create_table(
        "model_tags",
        sa.Column("model_id", sa.String(26), nullable=False),
        sa.Column("tag", sa.String(100), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_tags_model_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "tag", name="pk_model_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_model_tags_tag_model_id", "model_tags", ["tag", "model_id"])
    _fill(measures, tags)


def downgrade() -> None:
    op.drop_table("model_tags")
    op.drop_table("model_measures")
    for name in ("ix_models_group", "ix_models_cohort", "ix_models_parent", "ix_models_listing"):
        op.drop_index(name, "models")
    op.create_index("ix_models_created_at_id", "models", ["created_at", "id"], unique=False)
    op.drop_column("models", "group")
    op.drop_column("models", "cohort")


def _fill(measures: sa.Table, tags: sa.Table) -> None:
    """Copy what the rows of models hold, a page at a time."""
    connection = op.get_bind()
    columns = "id, task, metrics, baselines, tags"
    page = sa.text(f"SELECT {columns} FROM models WHERE id > :last ORDER BY id LIMIT {PAGE}")  # noqa: S608 - constants
    last = ""
    while rows := connection.execute(page, {"last": last}).all():
        for model_id, task, *documents in rows:
            metrics, baselines, tagged = map(_parsed, documents)
            found = [(model_id, name, value) for name, value in (metrics | _skill(task, metrics, baselines)).items()]
            if found:
                names = ("model_id", "measure", "value")
                connection.execute(measures.insert(), [dict(zip(names, each, strict=True)) for each in found])
            if tagged:
                connection.execute(tags.insert(), [{"model_id": model_id, "tag": tag} for tag in dict.fromkeys(tagged)])
        last = rows[-1][0]


def _parsed(document: Any) -> Any:
    return json.loads(document) if isinstance(document, str) else document


def _skill(task: str, metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """How much of the best naive forecast's loss the model avoids."""
    measure = HEADLINES[task]
    naive = [measured[measure] for measured in baselines.values() if measure in measured]
    if measure not in metrics or not naive or min(naive) <= 0:
        return {}
    skill = 1.0 - metrics[measure] / min(naive)
    return {"skill": skill} if math.isfinite(skill) else {}
