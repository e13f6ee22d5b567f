"""Jobs: priority, limits of their own and retries; transitions held and written down by the database; indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SQLITE = (
    """
CREATE TRIGGER jobs_begin BEFORE INSERT ON jobs WHEN NEW.status <> 'pending'
BEGIN
    SELECT RAISE(ABORT, 'a job begins as pending');
END
""",
    """
CREATE TRIGGER jobs_move BEFORE UPDATE OF status ON jobs
WHEN NEW.status <> OLD.status AND NOT (
    (OLD.status IN ('pending', 'preprocessing', 'training') AND NEW.status IN ('failed', 'cancelled'))
    OR (OLD.status IN ('preprocessing', 'training') AND NEW.status = 'pending')
    OR (OLD.status = 'pending' AND NEW.status = 'preprocessing')
    OR (OLD.status = 'preprocessing' AND NEW.status = 'training')
    OR (OLD.status = 'training' AND NEW.status = 'completed')
)
BEGIN
    SELECT RAISE(ABORT, 'a job cannot pass from that status to this one');
END
""",
    """
CREATE TRIGGER jobs_began AFTER INSERT ON jobs
BEGIN
    INSERT INTO job_changes (job_id, status, attempt, at)
    VALUES (NEW.id, NEW.status, NEW.attempts, strftime('%Y-%m-%d %H:%M:%f000', 'now'));
END
""",
    """
CREATE TRIGGER jobs_moved AFTER UPDATE OF status ON jobs WHEN NEW.status <> OLD.status
BEGIN
    INSERT INTO job_changes (job_id, status, attempt, at)
    VALUES (NEW.id, NEW.status, NEW.attempts, strftime('%Y-%m-%d %H:%M:%f000', 'now'));
END
""",
)

POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION jobs_check_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'pending' THEN
            RAISE EXCEPTION 'a job begins as pending, not as %', NEW.status USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.status <> OLD.status AND NOT (
        (OLD.status IN ('pending', 'preprocessing', 'training') AND NEW.status IN ('failed', 'cancelled'))
        OR (OLD.status IN ('preprocessing', 'training') AND NEW.status = 'pending')
        OR (OLD.status = 'pending' AND NEW.status = 'preprocessing')
        OR (OLD.status = 'preprocessing' AND NEW.status = 'training')
        OR (OLD.status = 'training' AND NEW.status = 'completed')
    ) THEN
        RAISE EXCEPTION 'a job cannot pass from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
""",
    """
CREATE OR REPLACE FUNCTION jobs_note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.status <> OLD.status THEN
        INSERT INTO job_changes (job_id, status, attempt, at)
        VALUES (NEW.id, NEW.status, NEW.attempts, clock_timestamp());
    END IF;
    RETURN NULL;
END
$$
""",
    """
CREATE TRIGGER jobs_move BEFORE INSERT OR UPDATE OF status ON jobs
FOR EACH ROW EXECUTE FUNCTION jobs_check_status()
""",
    """
CREATE TRIGGER jobs_moved AFTER INSERT OR UPDATE OF status ON jobs
FOR EACH ROW EXECUTE FUNCTION jobs_note_status()
""",
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("timeout_s", sa.Double()))
    op.add_column("jobs", sa.Column("memory_mb", sa.Integer()))
    op.add_column("jobs", sa.Column("retry_of", sa.String(26)))
    op.drop_index("ix_jobs_status_created_at", "jobs")
    op.drop_index("ix_jobs_owner_created_at", "jobs")
    for column in ("status", "owner", "kind"):
        op.create_index(f"ix_jobs_{column}_created_at_id", "jobs", [column, "created_at", "id"], unique=False)
    turn = ["status", "priority", "created_at", "id"]
    op.create_index("ix_jobs_status_priority_created_at_id", "jobs", turn, unique=False)
    op.create_table(
        "job_changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(26), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_changes_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_job_changes"),
    )
    op.create_index("ix_job_changes_job_id_number", "job_changes", ["job_id", "number"], unique=False)
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.get_bind().exec_driver_sql(statement.strip())


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for trigger in ("jobs_begin", "jobs_move", "jobs_began", "jobs_moved"):
            op.execute(f"DROP TRIGGER {trigger}")
    else:
        for trigger, function in (("jobs_move", "jobs_check_status"), ("jobs_moved", "jobs_note_status")):
            op.execute(f"DROP TRIGGER {trigger} ON jobs")
            op.execute(f"DROP FUNCTION {function}")
    op.drop_table("job_changes")
    op.drop_index("ix_jobs_status_priority_created_at_id", "jobs")
    for column in ("kind", "owner", "status"):
        op.drop_index(f"ix_jobs_{column}_created_at_id", "jobs")
    op.create_index("ix_jobs_owner_created_at", "jobs", ["owner", "created_at"], unique=False)
    op.create_index("ix_jobs_status_created_at", "jobs", ["status", "created_at"], unique=False)
    for column in ("retry_of", "memory_mb", "timeout_s", "priority"):
        op.drop_column("jobs", column)
