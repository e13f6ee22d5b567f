"""Imports of learning libraries without the companions they load only to offer a second interface."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let packages seem absent to what is imported inside, unless they are loaded already.

    For libraries that declare them as an extra of theirs: they do without. Everybody can import them afterwards.
    """
    withheld = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(withheld))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in withheld:
            del sys.modules[name]
