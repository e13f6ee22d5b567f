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


def configure_logs(settings: LogSettings, *, attended: bool = False) -> None:
    """Send everything that is logged in this process, by whatever library, to standard error in one format.

    An `attended` process is a command whose lines a person reads, the log's among them: unless the settings say
    otherwise, it logs what is a warning or worse, as text. Others log as JSON where nobody watches.
    """
    settings = _settled(settings, attended=attended)
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
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(settings, attended=attended),
            ],
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


def _settled(settings: LogSettings, *, attended: bool) -> LogSettings:
    """The settings with what they leave open decided."""
    open_ended = settings.format == "auto"
    form = "console" if attended or sys.stderr.isatty() else "json"
    level = "warning" if attended and "level" not in settings.model_fields_set else settings.level
    return settings.model_copy(update={"level": level, "format": form if open_ended else settings.format})


def _level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _rendering(settings: LogSettings, *, attended: bool) -> list[Processor]:
    if settings.format == "json":
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # variables may hold secrets
        return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(default=str)]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_level=not attended
    )
    return [_in_passing, console] if attended else [console]


def _in_passing(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what a person who has just given a command knows: the time and the program."""
    return {key: value for key, value in event.items() if key not in {"timestamp", "logger"}}
