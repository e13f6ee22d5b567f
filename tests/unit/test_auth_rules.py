"""Which usernames and passwords are accepted, and what the refusals say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.auth import rules, users
from forecastle.auth.errors import BadAccount


@pytest.mark.parametrize("username", ["ab", "Ada", "a.b-c_d@e+f", "0" * 64, "ada@example.org"])
def test_usernames_that_are_accepted(username: str) -> None:
    rules.check_username(username)


@pytest.mark.parametrize(
    "username", ["", "a", "-ada", " ada", "ada ", "a b", "ada\n", "a" * 65, "ädä", "a/b", "a\x00b"]
)
def test_usernames_that_are_refused(username: str) -> None:
    with pytest.raises(BadAccount, match="username: expected 2 to 64 letters"):
        rules.check_username(username)


@pytest.mark.parametrize("length", [8, 256])
def test_passwords_at_the_limits_are_accepted(length: int) -> None:
    rules.check_password("p" * length, username="ada")


@pytest.mark.parametrize("length", [0, 7, 257, 100_000])
def test_passwords_beyond_the_limits_are_refused(length: int) -> None:
    with pytest.raises(BadAccount, match=f"password: expected 8 to 256 characters, found {length} characters"):
        rules.check_password("p" * length, username="ada")


def test_characters_are_counted_not_bytes() -> None:
    rules.check_password("密码密码密码密码", username="ada")
    rules.check_password("e\u0301" * 256, username="ada")


def test_the_username_is_no_password() -> None:
    with pytest.raises(BadAccount, match="other than the username"):
        rules.check_password("ADA.Lovelace", username="ada.lovelace")


def test_half_a_surrogate_pair_is_no_password() -> None:
    with pytest.raises(BadAccount, match="Unicode"):
        rules.check_password("\ud800" * 10, username="ada")


@given(st.text(max_size=300))
def test_a_refusal_never_repeats_the_password(password: str) -> None:
    try:
        rules.check_password(password, username="ada")
    except BadAccount as refusal:
        assert len(password) < 3 or password not in str(refusal) or password in "password: expected 8 to 256 characters"  # noqa: PT017


@pytest.mark.parametrize("text", ["admin", "user", "viewer"])
def test_roles(text: str) -> None:
    assert users.role(text) == text


@pytest.mark.parametrize("text", ["", "Admin", "root"])
def test_other_roles_are_refused(text: str) -> None:
    with pytest.raises(BadAccount, match="role: expected admin or user or viewer"):
        users.role(text)
