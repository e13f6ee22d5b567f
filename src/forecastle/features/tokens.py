"""Splits the text of an expression into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from forecastle.features.errors import BadExpression

MAX_LENGTH = 2_000

TokenKind = Literal["number", "text", "name", "quoted", "symbol", "end"]

_TOKEN = re.compile(
    r"""
    (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[^\W\d]\w*)
  | `(?P<quoted>(?:[^`]|``)+)`
  | "(?P<double>(?:[^"]|"")*)"
  | '(?P<single>(?:[^']|'')*)'
  | (?P<symbol>[<>=!]=|[-+*/()<>,=])
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_BARE_NAME = re.compile(r"[^\W\d]\w*")
_RESERVED = frozenset({"over"})


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, with quotes removed, and where it starts."""

    kind: TokenKind
    text: str
    at: int


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of `text`, closed by one of kind `end`.

    Raises:
        BadExpression: the text is too long or a character belongs to no token.
    """
    if len(text) > MAX_LENGTH:
        raise BadExpression(
            text, at=MAX_LENGTH, expected=f"at most {MAX_LENGTH:,} characters", found=f"{len(text):,} characters"
        )
    return tuple(_tokens(text))


def quote_name(name: str) -> str:
    """A column name as an expression spells it: bare where possible, else in backticks."""
    bare = _BARE_NAME.fullmatch(name) and name not in _RESERVED
    return name if bare else "`" + name.replace("`", "``") + "`"


def quote_text(value: str) -> str:
    """A string as an expression spells it."""
    return '"' + value.replace('"', '""') + '"'


def _tokens(text: str) -> Iterator[Token]:
    at = _skip_space(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadExpression(text, at=at, expected=_expected(text[at]), found=text[at : at + 20])
        yield _token(match)
        at = _skip_space(text, match.end())
    yield Token("end", "", len(text))


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _token(match: re.Match[str]) -> Token:
    group, at = match.lastgroup, match.start()
    content = match[group] if group else ""
    if group == "quoted":
        return Token("quoted", content.replace("``", "`"), at)
    if group == "double":
        return Token("text", content.replace('""', '"'), at)
    if group == "single":
        return Token("text", content.replace("''", "'"), at)
    if group == "number":
        return Token("number", content, at)
    return Token("name" if group == "name" else "symbol", content, at)


def _expected(character: str) -> str:
    if character in "`\"'":
        return f"a closing {character}"
    return "a number, a name, an operator or parentheses (a name with other characters goes in `backticks`)"
