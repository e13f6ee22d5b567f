"""Everything that is logged, by whatever library, leaves as one readable line without secrets."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from forecastle.settings import LogSettings
from forecastle.telemetry.logs import configure_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The logging of the process is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was written to standard error since the last call."""
    return lambda: capsys.readouterr().err


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_line_of_json(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    structlog.get_logger("forecastle.test").info("model published", model="prices", version=3)
    [line] = lines(logged())
    assert line["event"] == "model published"
    assert (line["model"], line["version"]) == ("prices", 3)
    assert (line["level"], line["logger"]) == ("info", "forecastle.test")
    assert line["timestamp"].endswith("Z")


def test_libraries_log_in_the_same_format(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    logging.getLogger("uvicorn.error").warning("%d requests were cut off", 3, extra={"port": 8000})
    [line] = lines(logged())
    assert line["event"] == "3 requests were cut off"
    assert (line["level"], line["logger"], line["port"]) == ("warning", "uvicorn.error", 8000)


def test_what_is_bound_to_a_request_is_on_each_of_its_lines(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("ours")
        logging.getLogger("library").warning("theirs")
    structlog.get_logger().info("after")
    assert [line.get("request_id") for line in lines(logged())] == ["r1", "r1", None]


@pytest.mark.parametrize(
    "key",
    ["password", "new_password", "token", "access_token", "Authorization", "SECRET", "api_key", "apikey", "set-cookie"],
)
def test_values_with_secret_names_are_blanked(logged: Callable[[], str], key: str) -> None:
    configure_logs(LogSettings(format="json"))
    log = structlog.get_logger()
    log.info("flat", **{key: "hunter22"})
    log.info("nested", request={"headers": [{key: "hunter22"}], "path": "/x"})
    logging.getLogger("library").warning("theirs", extra={key: "hunter22"})
    text = logged()
    assert "hunter22" not in text
    assert lines(text)[1]["request"]["path"] == "/x"


def test_an_exception_is_in_the_line_as_data(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("request failed")
    [line] = lines(logged())
    assert line["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_the_variables_of_a_failed_function_stay_out(logged: Callable[[], str]) -> None:
    def fail(password: str) -> None:
        raise ValueError(len(password))

    configure_logs(LogSettings(format="json"))
    try:
        fail("hunter22")
    except ValueError:
        structlog.get_logger().exception("request failed")
    assert "hunter22" not in logged()


def test_a_coloured_second_spelling_of_a_message_is_left_out(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    logging.getLogger("uvicorn.error").error("gone", extra={"color_message": "\x1b[31mgone"})
    [line] = lines(logged())
    assert line["event"] == "gone"
    assert "color_message" not in line


def test_an_odd_value_does_not_break_the_line(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    structlog.get_logger().info("odd", value=object(), text="two\nlines", half="\ud800")
    [line] = lines(logged())
    assert line["value"].startswith("<object")
    assert line["text"] == "two\nlines"


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_holds_for_ours_and_for_libraries(logged: Callable[[], str], level: Any, seen: int) -> None:
    configure_logs(LogSettings(format="json", level=level))
    for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        for name in ("debug", "info", "warning", "error"):
            getattr(log, name)("said")
    assert len(lines(logged())) == 2 * seen


def test_configuring_again_does_not_double_the_lines(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="json"))
    configure_logs(LogSettings(format="json"))
    structlog.get_logger().info("once")
    assert len(lines(logged())) == 1


def test_people_at_a_terminal_get_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    configure_logs(LogSettings(format="auto"))
    structlog.get_logger().info("model published", model="prices")
    assert "model published" in terminal.getvalue()
    with pytest.raises(json.JSONDecodeError):
        lines(terminal.getvalue())


def test_auto_means_json_where_nobody_watches(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(format="auto"))
    structlog.get_logger().info("model published")
    assert lines(logged())[0]["event"] == "model published"


def test_a_command_is_interrupted_by_warnings_only_and_as_text(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings(), attended=True)
    log = structlog.get_logger("forecastle.jobs")
    log.info("job completed", job="j1")
    log.warning("job failed", job="j2", error="too few rows")
    [line] = logged().splitlines()
    assert line.split() == ["[warning]", "job", "failed", "error='too", "few", "rows'", "job=j2"]


@pytest.mark.parametrize("settings", [LogSettings(level="info"), LogSettings(level="info", format="json")])
def test_a_command_logs_as_the_settings_say(logged: Callable[[], str], settings: LogSettings) -> None:
    configure_logs(settings, attended=True)
    structlog.get_logger().info("job completed")
    [line] = logged().splitlines()
    assert "job completed" in line
    assert line.startswith("{") == (settings.format == "json")


def test_a_server_says_what_it_does_unless_told_otherwise(logged: Callable[[], str]) -> None:
    configure_logs(LogSettings())
    structlog.get_logger().info("job completed")
    assert lines(logged())[0]["event"] == "job completed"


def test_nothing_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="console"))
    structlog.get_logger().error("trouble")
    captured = capsys.readouterr()
    assert "trouble" in captured.err
    assert captured.out == ""
