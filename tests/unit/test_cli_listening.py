"""Taking an address: what cannot be listened on is told with a way out and the right exit code."""

import errno
import os
import socket

import pytest

from forecastle.cli.console import exit_code
from forecastle.cli.listening import listen, refusal, shown
from forecastle.errors import Conflict, ForecastleError, SettingsError


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0.0.0.0", "0.0.0.0")],  # noqa: S104
)
def test_any_free_port_of_an_address_or_a_name(host: str, address: str) -> None:
    with listen(host, 0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        assert listener.getsockname()[0] == address


@pytest.mark.parametrize("host", ["", "a..b", "x" * 300, "[::1]", "http://localhost"])
def test_a_host_that_does_not_exist(host: str) -> None:
    with (
        pytest.raises(SettingsError, match=r"no such host; give an address with --host, such as 127\.0\.0\.1"),
        listen(host, 0),
    ):
        pass


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1"])
def test_a_host_that_is_another_machine(host: str) -> None:
    with pytest.raises(SettingsError, match="no address of this machine; give one with --host"), listen(host, 8000):
        pass


def test_a_port_that_is_taken() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with (
            pytest.raises(Conflict, match=f"127.0.0.1:{port}: something listens there already"),
            listen("127.0.0.1", port),
        ):
            pass
    with listen("127.0.0.1", port):
        pass


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EADDRINUSE, 7), (errno.EACCES, 6), (errno.EPERM, 6), (errno.EADDRNOTAVAIL, 3), (errno.ENOMEM, 3)],
)
def test_each_refusal_has_its_exit_code(number: int, code: int) -> None:
    refused: ForecastleError = refusal(OSError(number, os.strerror(number)), "127.0.0.1:80")
    assert exit_code(refused) == code
    assert refused.message.startswith("cannot listen on 127.0.0.1:80: ")


def test_an_address_of_version_6_stands_in_brackets() -> None:
    assert [shown(host) for host in ("::1", "127.0.0.1", "localhost")] == ["[::1]", "127.0.0.1", "localhost"]
