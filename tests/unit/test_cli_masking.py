"""Addresses are shown without what is secret in them."""

import pytest

from forecastle.cli.masking import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:lovelace@host/name", "postgresql://ada:***@host/name"),
        ("postgresql://ada:love/l@ce@host:port/name", "postgresql://ada:***@host:port/name"),
        ("postgresql://ada@host:5432/name", "postgresql://ada@host:5432/name"),
        ("postgresql://host/name?user=ada&password=lovelace", "postgresql://host/name?user=ada&password=***"),
        ("s3://key:secret@bucket/models", "s3://key:***@bucket/models"),
        ("sqlite:////var/lib/forecastle.db", "sqlite:////var/lib/forecastle.db"),
        ("://", "://"),
    ],
)
def test_a_password_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert without_password(url) == shown
