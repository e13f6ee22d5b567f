"""Taking an address to serve on."""

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from forecastle.errors import AccessError, Conflict, ForecastleError, SettingsError, clip

EXAMPLES = "such as 127.0.0.1, ::1, or 0.0.0.0 for all of them"

NOT_OURS = (SettingsError, f"that is no address of this machine; give one with --host, {EXAMPLES}")
TAKEN = (Conflict, "something listens there already; choose another with --port, or 0 for any free one")
RESERVED = (AccessError, "this user may not, as with most ports below 1024; choose a higher one with --port")
REFUSALS: Mapping[int, tuple[type[ForecastleError], str]] = {
    errno.EADDRINUSE: TAKEN,
    errno.EACCES: RESERVED,
    errno.EPERM: RESERVED,
    errno.EADDRNOTAVAIL: NOT_OURS,
    errno.EINVAL: NOT_OURS,  # a link-local address without its interface
    errno.EAFNOSUPPORT: NOT_OURS,  # IPv6 where it is switched off
}


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, by name or by address of either family.

    Raises:
        SettingsError: the host is unknown or is not this machine.
        Conflict: the port is taken.
        AccessError: the port is reserved.
    """
    family, address = _resolved(host, port)
    try:
        listener = _bound(family, address)
    except OSError as error:
        raise refusal(error, f"{shown(host)}:{port}") from error
    with listener:
        listener.set_inheritable(True)
        yield listener


def shown(host: str) -> str:
    """The host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def refusal(error: OSError, where: str) -> ForecastleError:
    """Why the system does not let us listen there, and what to do."""
    kind, reason = REFUSALS.get(error.errno or 0, (SettingsError, error.strerror or str(error)))
    return kind(f"cannot listen on {where}: {reason}")


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:  # a name with empty or overlong parts is a ValueError
        raise SettingsError(
            f"cannot listen on host {clip(host)!r}: no such host; give an address with --host, {EXAMPLES}"
        ) from error
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)  # localhost is both
    return family, address


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # now, so that of two servers that start at once one is refused
    except OSError:
        listener.close()
        raise
    return listener
