"""What the database itself does with a job's status.

It refuses every transition that `machine` does not allow, and writes down each that it lets through, in the
transaction that made it.
"""

from sqlalchemy import DDL, Table, event

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


def attach(table: Table) -> None:
    """See to it that the triggers are made with the table."""
    for dialect, statements in (("sqlite", SQLITE), ("postgresql", POSTGRESQL)):
        for statement in statements:
            made: DDL = DDL(statement.strip().replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", made.execute_if(dialect=dialect))
