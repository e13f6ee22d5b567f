"""Taking an address to serve on."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from forecastle.errors import Conflict


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket.

    Raises:
        Conflict: the address is taken or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise Conflict(f"cannot listen on {host}:{port}: {reason}; choose another with --port") from error
        listener.set_inheritable(True)
        yield listener
