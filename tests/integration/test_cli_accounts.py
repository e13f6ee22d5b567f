"""The commands for accounts, database and settings, on every database."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import Cli, Done

from forecastle.settings import DatabaseSettings


@pytest.fixture
def anywhere(cli: Cli, empty_database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A command on a database that is empty at first; once on SQLite, once on PostgreSQL."""
    monkeypatch.setenv("FORECASTLE_DATABASE__URL", str(empty_database_settings.url))
    return cli


def test_an_account_is_made_listed_and_removed(anywhere: Cli) -> None:
    made = anywhere(
        "user", "add", "Ada", "--role", "viewer", "--password-stdin", "--json", stdin="correct horse\n"
    ).json
    assert (made["username"], made["role"]) == ("Ada", "viewer")
    assert "password" not in made
    assert [user["username"] for user in anywhere("user", "list", "--json").json] == ["Ada", "admin"]
    assert anywhere("user", "remove", "ada", "--yes", "--json").json["id"] == made["id"]
    assert [user["username"] for user in anywhere("user", "list", "--json").json] == ["admin"]


def test_a_generated_password_is_shown_once(anywhere: Cli) -> None:
    made = anywhere("user", "add", "ada", "--generate", "--json").json
    assert len(made["password"]) >= 16
    shown = anywhere("user", "add", "bob", "--generate")
    assert "bob" in shown.out
    assert "only this once" in shown.err
    assert anywhere("user", "list").out.count("ada") == 1


def test_a_table_names_everybody(anywhere: Cli) -> None:
    anywhere("user", "add", "ada", "--password-stdin", stdin="correct horse\n")
    table = anywhere("user", "list").out
    assert table.splitlines()[0].split() == ["username", "role", "created", "id"]
    assert "ada" in table


def test_a_token_is_alone_on_standard_output(anywhere: Cli) -> None:
    anywhere("user", "add", "ada", "--password-stdin", stdin="correct horse\n")
    token = anywhere("user", "token", "ADA")
    assert token.out.strip().count(".") == 2
    assert anywhere("user", "token", "ada", "--json").json["expires_in"] == 3600


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "text"),
    [
        (["user", "add", "a b", "--password-stdin"], "correct horse\n", 4, "username: expected 2 to 64"),
        (["user", "add", "ada", "--password-stdin"], "short\n", 4, "password: expected 8 to 256"),
        (["user", "add", "ada", "--role", "king", "--password-stdin"], "correct horse\n", 4, "role: expected admin"),
        (["user", "add", "ADMIN", "--password-stdin"], "correct horse\n", 7, "taken"),
        (["user", "add", "ada"], "", 4, "--password-stdin"),
        (["user", "password", "nobody", "--password-stdin"], "correct horse\n", 5, "no user 'nobody'"),
        (["user", "remove", "nobody", "--yes"], "", 5, "no user 'nobody'"),
        (["user", "remove", "admin", "--yes"], "", 7, "last administrator"),
        (["user", "token", "nobody"], "", 5, "no user 'nobody'"),
        (["user", "add"], "", 2, "Missing argument 'username'"),
        (["user", "add", "ada", "--colour"], "", 2, "--colour"),
        (["db", "downgrade", "nonsense", "--yes"], "", 5, "revision: expected one that exists"),
        (["db", "upgrade", "nonsense"], "", 5, "revision: expected one that exists"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    anywhere: Cli, arguments: list[str], stdin: str, code: int, text: str
) -> None:
    anywhere("user", "list")  # the first start, which makes the admin
    failed = anywhere(*arguments, stdin=stdin)
    assert (failed.code, failed.out) == (code, "")
    assert text in failed.err
    assert "Traceback" not in failed.err


def test_a_new_password_takes_the_place_of_the_old(anywhere: Cli) -> None:
    anywhere("user", "add", "ada", "--password-stdin", stdin="correct horse\n")
    assert (
        anywhere("user", "password", "ada", "--password-stdin", "--json", stdin="wrong horse\n").json["username"]
        == "ada"
    )


def test_the_schema_goes_up_and_down(anywhere: Cli) -> None:
    before = anywhere("db", "current", "--json").json
    assert before["revision"] is None
    assert before["pending"]
    assert anywhere("db", "upgrade", "--json").json["pending"] == []
    assert anywhere("db", "check", "--json").json["revision"] == before["pending"][-1]
    assert anywhere("db", "downgrade", "base", "--yes", "--json").json["revision"] is None
    hinted = anywhere("db", "check")
    assert hinted.code == 0
    assert "forecastle db upgrade" in hinted.err


def test_the_database_is_named_without_its_password(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_DATABASE__URL", "postgresql://ada:hunter22@127.0.0.1:1/none")
    away = cli("db", "check")
    assert away.code == 8
    assert "the database cannot be used" in away.err
    assert "hunter22" not in away.err
    assert "hunter22" not in cli("config", "show", "--json").out


def test_nothing_is_removed_without_a_yes(cli: Cli) -> None:
    assert cli("db", "upgrade").code == 0
    assert cli("db", "downgrade", "base", stdin="n\n").code == 1
    assert cli("db", "current", "--json").json["revision"] is not None


def test_settings_tell_where_they_came_from(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FORECASTLE_SERVER__PORT=9001\nFORECASTLE_SERVER__HOST=0.0.0.0\n")
    monkeypatch.setenv("forecastle_server__port", "9002")
    monkeypatch.setenv("FORECASTLE_JOBS", '{"workers": 1}')
    monkeypatch.setenv("FORECASTLE_AUTH__SECRET", "hunter22" * 5)
    shown = cli("config", "show", "--json")
    found = {each["variable"]: (each["value"], each["source"]) for each in shown.json}
    assert found["FORECASTLE_SERVER__PORT"] == (9002, "environment")
    assert found["FORECASTLE_SERVER__HOST"] == ("0.0.0.0", ".env")  # noqa: S104 - nothing listens
    assert found["FORECASTLE_JOBS__WORKERS"] == (1, "environment")
    assert found["FORECASTLE_DATABASE__URL"] == (None, "default")
    assert found["FORECASTLE_DATABASE__POOL_SIZE"] == (20, "default")
    assert found["FORECASTLE_AUTH__SECRET"] == ("***", "environment")
    assert "hunter22" not in shown.out + cli("config", "show").out


def checks(done: Done) -> dict[str, tuple[str, str]]:
    """Of `config check --json`, state and words by check."""
    return {each["check"]: (each["state"], each["error"] or each["found"]) for each in json.loads(done.out)["checks"]}


def test_a_check_before_the_first_start_makes_nothing(cli: Cli, home: Path) -> None:
    checked = cli("config", "check", "--json")
    assert checked.json["home"] == str(home)
    found = checks(checked)
    assert list(found) == ["home", "space", "signing key", "artifacts", "database", "schema", "kernels"]
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["schema"][1] == "not there yet; the first start makes it"
    assert not home.exists()
    assert str(home) in cli("config", "check").out


def test_a_check_looks_at_the_database(anywhere: Cli) -> None:
    assert checks(anywhere("config", "check", "--json"))["schema"] == ("ok", "not there yet; the first start makes it")
    assert anywhere("db", "upgrade").code == 0
    assert checks(anywhere("config", "check", "--json"))["schema"][1].endswith("up to date")


def test_a_check_of_a_database_that_is_away(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_DATABASE__URL", "postgresql://ada:hunter22@127.0.0.1:1/none")
    checked = cli("config", "check", "--json")
    assert checked.code == 8
    assert json.loads(checked.out)["ok"] is False
    found = checks(checked)
    assert found["database"][0] == "failed"
    assert "127.0.0.1" in found["database"][1]
    assert found["schema"][0] == "skipped"
    for_people = cli("config", "check")
    assert for_people.code == 8
    assert for_people.err.startswith("error: the database cannot be used: ")
    assert "hunter22" not in checked.out + checked.err + for_people.out + for_people.err


def test_a_check_of_a_schema_from_the_future(cli: Cli, home: Path) -> None:
    assert cli("db", "upgrade").code == 0
    with closing(sqlite3.connect(home / "forecastle.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    checked = cli("config", "check", "--json")
    assert checked.code == 7
    assert "9999" in checks(checked)["schema"][1]


def test_a_check_of_a_full_disk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecastle.cli.checks.LEAST_FREE_BYTES", 10**18)
    checked = cli("config", "check")
    assert checked.code == 8
    assert "MB free, found" in checked.err


def test_a_check_tells_every_error_and_ends_with_the_code_of_the_first(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FORECASTLE_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("FORECASTLE_ARTIFACTS_URL", "nowhere://ada:hunter22@bucket/models")
    monkeypatch.setenv("FORECASTLE_DATABASE__URL", "postgresql://ada:hunter22@127.0.0.1:1/none")
    checked = cli("config", "check")
    assert checked.code == 3
    assert [line.split(": ")[1] for line in checked.err.splitlines()] == [
        "FORECASTLE_HOME",
        "FORECASTLE_ARTIFACTS_URL",
        "the database cannot be used",
    ]
    assert "hunter22" not in checked.out + checked.err


def test_an_address_is_shown_without_its_password_even_when_it_is_none(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTLE_DATABASE__URL", "postgresql://ada:hunt/er@22@host:port/name?password=hunter22")
    shown = cli("config", "show")
    assert "postgresql://ada:***@host:port/name?password=***" in shown.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FORECASTLE_ARTIFACTS_URL", "nowhere://models"),
        ("FORECASTLE_SERVER__PORT", "many"),
        ("FORECASTLE_DATABASE__URL", "mysql://host/name"),
        ("FORECASTLE_AUTH__SECRET", "short"),
        ("FORECASTLE_LOG__LEVEL", "loud"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for command in (("config", "check"), ("serve", "--port", "0")):
        failed = cli(*command)
        assert failed.code == 3
        assert failed.err.startswith(f"error: {variable}")
        assert len(failed.err.splitlines()) == 1
