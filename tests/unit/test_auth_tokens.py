"""A token of ours is read; anything else is refused, whatever it claims."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from forecastle.auth.errors import TokenExpired, TokenInvalid
from forecastle.auth.tokens import Tokens
from forecastle.auth.users import User
from forecastle.clock import ManualClock
from forecastle.settings import AuthSettings

KEY = b"k" * 32
USER = User("01jgfjjz00000000000000000a", "ada", "user", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def tokens(clock: ManualClock) -> Tokens:
    return Tokens(KEY, AuthSettings(token_minutes=30), clock)


def signed(header: dict[str, Any], claims: dict[str, Any], key: bytes = KEY) -> str:
    return jwt.encode(header, claims, OctKey.import_key(key), algorithms=[header["alg"]])


def good_claims(clock: ManualClock, **changes: Any) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    claims = {"iss": "forecastle", "sub": USER.id, "role": "user", "jti": "1", "iat": now, "exp": now + 60}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_says_who_it_was_issued_to(tokens: Tokens, clock: ManualClock) -> None:
    claims = tokens.read(tokens.issue(USER))
    assert (claims.user_id, claims.role) == (USER.id, "user")
    assert claims.issued_at == clock.now()
    assert claims.expires_at == clock.now() + timedelta(minutes=30)


def test_no_two_tokens_are_the_same(tokens: Tokens) -> None:
    first, second = tokens.issue(USER), tokens.issue(USER)
    assert tokens.read(first).token_id != tokens.read(second).token_id


def test_it_is_valid_until_it_expires(tokens: Tokens, clock: ManualClock) -> None:
    token = tokens.issue(USER)
    clock.advance(30 * 60 - 1)
    assert tokens.read(token).user_id == USER.id
    clock.advance(1)
    with pytest.raises(TokenExpired, match="expired"):
        tokens.read(token)


def test_claims_as_ours_signed_with_our_key_are_read(tokens: Tokens, clock: ManualClock) -> None:
    assert tokens.read(signed({"alg": "HS256"}, good_claims(clock))).user_id == USER.id


def test_another_key_is_refused(clock: ManualClock, tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(Tokens(b"x" * 32, AuthSettings(), clock).issue(USER))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_key(tokens: Tokens, clock: ManualClock, algorithm: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(signed({"alg": algorithm}, good_claims(clock), key=KEY * 2))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "hs256", "RS256", None, 1, ["HS256"], {}])
def test_no_algorithm_at_all_is_refused(tokens: Tokens, clock: ManualClock, algorithm: object) -> None:
    signature = tokens.issue(USER).rsplit(".", 1)[1]
    for end in ("", signature):
        with pytest.raises(TokenInvalid):
            tokens.read(f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(good_claims(clock))}.{end}")


def test_an_rsa_signature_is_refused(tokens: Tokens, clock: ManualClock) -> None:
    key = RSAKey.generate_key(2048)
    with pytest.raises(TokenInvalid):
        tokens.read(jwt.encode({"alg": "RS256"}, good_claims(clock), key))


def test_a_changed_claim_breaks_the_signature(tokens: Tokens, clock: ManualClock) -> None:
    header, _, signature = tokens.issue(USER).split(".")
    with pytest.raises(TokenInvalid):
        tokens.read(f"{header}.{part(good_claims(clock, role='admin'))}.{signature}")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"role": None},
        {"role": "emperor"},
        {"jti": None},
        {"iat": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": True},
        {"exp": 1e300},
        {"exp": 10**30},
        {"iat": -1},
        {"role": ["admin"]},
    ],
)
def test_claims_that_are_missing_or_odd_are_refused(tokens: Tokens, clock: ManualClock, change: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(signed({"alg": "HS256"}, good_claims(clock, **change)))


@given(st.text(max_size=200) | st.lists(st.text("abcdefXYZ012_-=", max_size=40), max_size=6).map(".".join))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        Tokens(KEY, AuthSettings(), ManualClock()).read(text)


def test_a_huge_token_is_refused_unread(tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(tokens.issue(USER) + "a" * 10_000)
