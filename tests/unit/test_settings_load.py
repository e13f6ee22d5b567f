"""Settings come from the environment, then `.env`, then the defaults; what is wrong is named by its variable."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from forecastle.errors import SettingsError
from forecastle.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from the machine, and a folder without `.env`."""
    for name in ("FORECASTLE_HOME", "FORECASTLE_DATABASE__URL", "FORECASTLE_LOG__LEVEL", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_has_a_default(clean: Path) -> None:
    settings = load_settings()
    assert settings.home == clean / ".local" / "share" / "forecastle"
    assert settings.server.port == 8000
    assert settings.database.url is None
    assert (settings.database.pool_size, settings.database.max_overflow) == (20, 30)


def test_the_home_follows_the_xdg_convention(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(clean / "data"))
    assert load_settings().home == clean / "data" / "forecastle"


def test_an_empty_variable_is_none(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_HOME", "")
    monkeypatch.setenv("FORECASTLE_SERVER__PORT", "")
    settings = load_settings()
    assert settings.home == clean / ".local" / "share" / "forecastle"
    assert settings.server.port == 8000


@pytest.mark.parametrize("name", ["FORECASTLE_SERVER__PORT", "forecastle_server__port", "Forecastle_Server__Port"])
def test_the_environment_sets_nested_fields_in_any_letter_case(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "9000")
    assert load_settings().server.port == 9000


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / ".env").write_text("FORECASTLE_SERVER__PORT=9001\nFORECASTLE_LOG__LEVEL=debug\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("FORECASTLE_SERVER__PORT", "9002")
    settings = load_settings()
    assert (settings.server.port, settings.log.level) == (9002, "debug")


def test_a_relative_home_is_made_absolute(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_HOME", "house")
    assert load_settings().home == clean / "house"
    monkeypatch.setenv("FORECASTLE_HOME", "~/house")
    assert load_settings().home == clean / "house"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FORECASTLE_SERVER__PORT", "70000"),
        ("FORECASTLE_SERVER__PORT", "eighty"),
        ("FORECASTLE_SERVER__PROCESSES", "0"),
        ("FORECASTLE_DATABASE__POOL_SIZE", "-1"),
        ("FORECASTLE_DATABASE__STATEMENT_TIMEOUT_S", "0"),
        ("FORECASTLE_AUTH__REGISTRATION", "sometimes"),
        ("FORECASTLE_AUTH__TOKEN_MINUTES", "1e9"),
        ("FORECASTLE_JOBS__WORKERS", "2.5"),
        ("FORECASTLE_LOG__LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refusal:
        load_settings()
    assert f"found {value}" in refusal.value.message


def test_a_misspelt_nested_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_SERVER__PROT", "9000")
    with pytest.raises(SettingsError, match="FORECASTLE_SERVER__PROT"):
        load_settings()


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_SERVER__PORT", "x")
    monkeypatch.setenv("FORECASTLE_LOG__LEVEL", "y")
    with pytest.raises(SettingsError, match=r"SERVER__PORT.*; .*LOG__LEVEL"):
        load_settings()


def test_a_section_that_is_no_json_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_SERVER", "{port")
    with pytest.raises(SettingsError, match='field "server"'):
        load_settings()


def test_a_file_that_is_no_text_is_told(clean: Path) -> None:
    (clean / ".env").write_bytes(b"FORECASTLE_SERVER__PORT=\xff\xfe")
    with pytest.raises(SettingsError, match=r"\.env: expected UTF-8 text"):
        load_settings()


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_AUTH__SECRET", "hunter22" * 5)
    settings = load_settings()
    assert "hunter22" not in repr(settings)
    assert settings.auth.secret is not None
    assert settings.auth.secret.get_secret_value() == "hunter22" * 5


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.home = Path("/elsewhere")
    with pytest.raises(ValidationError):
        settings.server.port = 1
