"""The slow-query log: statements above a threshold, with placeholders in place of the values."""

import time
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, event

log = structlog.get_logger("forecastle.db")

MAX_STATEMENT_CHARACTERS = 2000
STARTED = "forecastle_started"


def log_slow_queries(engine: Engine, *, threshold_s: float) -> None:
    """Log every statement of this engine that takes longer."""

    def start(connection: Connection, *_: Any) -> None:
        connection.info[STARTED] = time.perf_counter()

    def stop(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info.pop(STARTED)
        if seconds > threshold_s:
            log.warning("slow query", seconds=round(seconds, 3), statement=_one_line(statement))

    event.listen(engine, "before_cursor_execute", start)
    event.listen(engine, "after_cursor_execute", stop)


def _one_line(statement: str) -> str:
    return " ".join(statement.split())[:MAX_STATEMENT_CHARACTERS]
