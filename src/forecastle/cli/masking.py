"""Settings as they may be shown."""

import re

MASK = "***"
_PASSWORD = re.compile(r"(://[^:/@]*):.*@")
_SECRET_OPTION = re.compile(r"([?&][^=&]*(?:password|secret|token|key)[^=&]*)=[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """An address without what is secret in it, also when it is malformed.

    >>> without_password("postgresql://ada:lovelace@host/name")
    'postgresql://ada:***@host/name'
    """
    return _SECRET_OPTION.sub(rf"\1={MASK}", _PASSWORD.sub(rf"\1:{MASK}@", url))
