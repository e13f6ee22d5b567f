"""The highest version that each name of a model ever had, so that no number is given twice."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TRAINED = {
    "sqlite": "SELECT json_extract(result, '$.name') AS name, json_extract(result, '$.version') AS version FROM jobs",
    "postgresql": "SELECT result->>'name' AS name, CAST(result->>'version' AS integer) AS version FROM jobs",
}
KNOWN = """
INSERT INTO model_names (name, last_version)
SELECT name, max(version) FROM (
    SELECT name, version FROM models
    UNION ALL
    SELECT model_name, model_version FROM predictions
    UNION ALL
    {trained} WHERE kind = 'train' AND status = 'completed'
) AS known
WHERE name IS NOT NULL AND version IS NOT NULL
GROUP BY name
"""
"""Predictions and jobs outlive their models, and remember their versions."""


def upgrade() -> None:
    op.create_table(
        "model_names",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_names"),
    )
    op.execute(KNOWN.format(trained=TRAINED[op.get_bind().dialect.name]))


def downgrade() -> None:
    op.drop_table("model_names")
