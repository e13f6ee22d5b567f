"""The signing key: given, or made once and kept for its owner alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from forecastle.auth.keys import KEY_FILE, signing_key
from forecastle.errors import SettingsError
from forecastle.settings import AuthSettings

PRINT_KEY = """
import sys, pathlib
from forecastle.auth.keys import signing_key
from forecastle.settings import AuthSettings
sys.stdin.readline()
print(signing_key(AuthSettings(), home=pathlib.Path(sys.argv[1])).hex())
"""


def test_a_given_key_is_used(tmp_path: Path) -> None:
    assert signing_key(AuthSettings(secret=SecretStr("s" * 32)), home=tmp_path) == b"s" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FORECASTLE_AUTH__SECRET: expected 32 bytes or more, found 6") as refusal:
        signing_key(AuthSettings(secret=SecretStr("hunter")), home=tmp_path)
    assert "hunter" not in str(refusal.value)


def test_a_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = signing_key(AuthSettings(), home=home)
    assert len(key) >= 32
    assert signing_key(AuthSettings(), home=home) == key
    assert (home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in home.iterdir()] == [KEY_FILE]


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    assert signing_key(AuthSettings(), home=tmp_path / "a") != signing_key(AuthSettings(), home=tmp_path / "b")


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PRINT_KEY, str(tmp_path / "home")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in processes}
    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 64


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    signing_key(AuthSettings(), home=tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        signing_key(AuthSettings(), home=tmp_path)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / KEY_FILE, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, b"short")
    os.close(descriptor)
    with pytest.raises(SettingsError, match="found 5"):
        signing_key(AuthSettings(), home=tmp_path)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="FORECASTLE_AUTH__SECRET"):
        signing_key(AuthSettings(), home=tmp_path / "file" / "home")
