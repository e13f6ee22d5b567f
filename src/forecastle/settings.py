"""All settings, read once at start-up from the environment, `.env` and these defaults, in that order.

A nested field is set by joining names with two underscores: `FORECASTLE_SERVER__PORT=9000`.
Nothing here is global: `bootstrap` loads the settings and hands each part its own section.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as MalformedSettings

from forecastle.errors import SettingsError, clip

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
    """The HTTP server."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes any free port."""
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    max_body_bytes: PositiveInt = 2 * 1024 * 1024
    """Largest request body, dataset uploads excepted."""
    slow_request_s: PositiveFloat = 1.0
    shutdown_grace_s: PositiveFloat = 10.0


class DatabaseSettings(_Section):
    """Where accounts, jobs, models and history live."""

    url: str | None = None
    """`postgresql://user:password@host/name`; unset means SQLite in the home folder."""
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    max_overflow: Annotated[int, Field(ge=0, le=1000)] = 30
    acquire_timeout_s: PositiveFloat = 30.0
    recycle_s: PositiveInt = 3600
    statement_timeout_s: PositiveFloat = 60.0
    slow_query_s: PositiveFloat = 0.5


class AuthSettings(_Section):
    """Accounts and tokens."""

    registration: Literal["open", "closed"] = "open"
    token_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 30)] = 60
    secret: SecretStr | None = None
    """Signing key, 32 bytes or more; unset means a key kept in the home folder."""


class DataSettings(_Section):
    """Datasets."""

    max_upload_bytes: PositiveInt = 4 * 1024**3


class JobSettings(_Section):
    """The training pool."""

    executor: Literal["local", "ray"] = "local"
    """Where jobs run: in processes of this machine, or on a Ray cluster (needs `forecastle[ray]`)."""
    ray_address: str | None = None
    """`host:port` of the cluster's head; unset means the cluster that this machine belongs to."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Worker processes; 0 means one a core, and more than the cores is capped. With Ray: of the cluster."""
    timeout_s: PositiveFloat = 3600.0
    """The most a job may take; it may ask for less."""
    memory_mb: Annotated[int, Field(ge=0)] = 0
    """The most memory a job may use, and it may ask for less; 0 means four fifths of what the machine has."""
    cache_mb: Annotated[int, Field(ge=0)] = 4096
    """How much room prepared tables and features may take in the home, kept for the next training; 0 keeps none."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How often a job is started whose runner died each time."""
    max_log_lines: PositiveInt = 10_000
    """Lines kept of a job's log; what comes after is dropped."""
    max_log_bytes: PositiveInt = 1024 * 1024
    """The same in bytes."""
    recycle_after: PositiveInt = 10
    """Jobs after which a worker process is replaced by a fresh one."""
    lease_s: PositiveFloat = 15.0
    """A runner silent for this long has lost its jobs to the others."""


class ServingSettings(_Section):
    """Predictions and their history."""

    cache_entries: Annotated[int, Field(ge=0)] = 10_000
    max_batch_rows: PositiveInt = 100
    history_queue_rows: PositiveInt = 10_000
    """Predictions waiting for their commit; beyond it the answer is 503."""
    history_timeout_s: PositiveFloat = 5.0


class UploadSettings(_Section):
    """Models that were made elsewhere, and what the check of one may take."""

    max_bytes: PositiveInt = 64 * 1024 * 1024
    """Largest file."""
    memory_mb: Annotated[int, Field(ge=64)] = 1024
    """Beyond what the libraries take."""
    cpu_s: PositiveInt = 60
    timeout_s: PositiveFloat = 120.0
    run_s: PositiveFloat = 1.0
    """The most processor time that a model may take for the largest batch."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Files that a process has checked at the same time; the others wait."""


class LogSettings(_Section):
    """Logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


def default_home() -> Path:
    """The user's data folder: `$XDG_DATA_HOME/forecastle`, else `~/.local/share/forecastle`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "forecastle"


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix="FORECASTLE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        env_file=".env",
        env_file_encoding="utf-8",
        case_sensitive=False,
        extra="ignore",
        frozen=True,
    )

    home: Path = Field(default_factory=default_home)
    """Folder that holds database, datasets, artifacts and keys of the embedded set-up."""
    artifacts_url: str | None = None
    """Any fsspec URL (`s3://bucket/models`); unset means the home folder."""
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    auth: AuthSettings = AuthSettings()
    data: DataSettings = DataSettings()
    jobs: JobSettings = JobSettings()
    serving: ServingSettings = ServingSettings()
    uploads: UploadSettings = UploadSettings()
    log: LogSettings = LogSettings()


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is malformed or out of range; the message names each variable.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(problem) for problem in error.errors())) from error
    except MalformedSettings as error:  # a whole section given as JSON that is none
        raise SettingsError(f"FORECASTLE_…: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f".env: expected UTF-8 text: {error}") from error
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


def _explain(problem: Any) -> str:
    name = "FORECASTLE_" + "__".join(str(part) for part in problem["loc"]).upper()
    return f"{name}: {problem['msg'][:1].lower()}{problem['msg'][1:]}, found {clip(problem['input'])}"
