"""The key that signs tokens: given in the settings, or kept in a file that only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from forecastle.errors import SettingsError
from forecastle.settings import AuthSettings

KEY_BYTES = 32
KEY_FILE = "token.key"
OTHERS = 0o077


def signing_key(settings: AuthSettings, *, home: Path) -> bytes:
    """The key; made at the first call when none is given. Processes that ask at once get the same one.

    Raises:
        SettingsError: the given key is too short, or the file cannot be used.
    """
    if settings.secret is not None:
        key = settings.secret.get_secret_value().encode()
        if len(key) < KEY_BYTES:
            found = f"found {len(key)}"
            raise SettingsError(f"FORECASTLE_AUTH__SECRET: expected {KEY_BYTES} bytes or more, {found}")
        return key
    path = home / KEY_FILE
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; or give a key in FORECASTLE_AUTH__SECRET") from error


def _create(path: Path) -> None:
    """Make the file whole or not at all: written aside, then linked, which fails if another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()


def _read(path: Path) -> bytes:
    if path.stat().st_mode & OTHERS:
        raise SettingsError(f"{path}: others may read this key; make it private (chmod 600) or remove it for a new one")
    key = path.read_bytes().strip()
    if len(key) < KEY_BYTES:
        raise SettingsError(f"{path}: expected a key of {KEY_BYTES} bytes or more, found {len(key)}; remove it")
    return key
