"""Which usernames and passwords are accepted."""

import re
import unicodedata

from forecastle.auth.errors import BadAccount

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{1,63}")
USERNAME_RULE = "2 to 64 letters, digits or . _ @ + -, the first a letter or digit"
PASSWORD_LENGTH = range(8, 257)


def fold(username: str) -> str:
    """The name under which a username is unique and found: letter case makes no difference."""
    return username.lower()


def normalise(password: str) -> str:
    """One spelling for passwords that look the same (NFC, as RFC 8265 asks)."""
    return unicodedata.normalize("NFC", password)


def check_username(username: str) -> None:
    """Raise `BadAccount` unless the username may be used."""
    if not USERNAME.fullmatch(username):
        raise BadAccount.at("username", expected=USERNAME_RULE, found=username)


def check_password(password: str, *, username: str) -> None:
    """Raise `BadAccount` unless the password may be used. No part of it is repeated in the error."""
    length = len(normalise(password))
    if length not in PASSWORD_LENGTH:
        expected = f"{PASSWORD_LENGTH[0]} to {PASSWORD_LENGTH[-1]} characters"
        raise BadAccount.at("password", expected=expected, found=f"{length} characters")
    if not is_text(password):
        raise BadAccount.at("password", expected="Unicode text", found="a lone surrogate")
    if fold(normalise(password)) == fold(username):
        raise BadAccount.at("password", expected="something other than the username")


def is_text(password: str) -> bool:
    """Whether it can be encoded; JSON lets through halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in password)
