"""Logs: one event a line on standard error, as JSON or for people; secrets never reach it."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from forecastle.settings import LogSettings

SECRET_KEY = re.compile(r"password|passwd|token|secret|authorization|cookie|api_?key|credential", re.IGNORECASE)
REDACTED = "***"
MAX_DEPTH = 6

#: Loggers that say too much at the level of ours.
QUIET = {"asyncio": logging.WARNING, "aiosqlite": logging.WARNING, "alembic": logging.WARNING, "httpx": logging.WARNING}


def _without_colour(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the second, coloured spelling that uvicorn gives of its messages."""
    event.pop("color_message", None)
    return event


def configure_logs(settings: LogSettings) -> None:
    """Send everything that is logged in this process, by whatever library, to standard error in one format."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_colour,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_level(settings))
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, _level(settings)))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank the values whose names look secret, however deep they lie."""
    return {key: _redacted(key, value, MAX_DEPTH) for key, value in event.items()}


def _redacted(key: str, value: Any, depth: int) -> Any:
    if SECRET_KEY.search(key):
        return REDACTED
    if depth and isinstance(value, dict):
        return {inner: _redacted(str(inner), item, depth - 1) for inner, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_redacted("", item, depth - 1) for item in value]
    return value


def _level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _rendering(settings: LogSettings) -> list[Processor]:
    terminal = sys.stderr.isatty()
    if settings.format == "json" or (settings.format == "auto" and not terminal):
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # variables may hold secrets
        return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(default=str)]
    return [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)]
