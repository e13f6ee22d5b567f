import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastle.features.errors import BadExpression
from forecastle.features.expressions import parse, parse_entry
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Count, Dates, Real
from forecastle.features.nodes import Binary, Call, Column, Negative, Number

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("sma( close,20 )", "sma(close, 20)"),
        ("sma(close)", "sma(close, 20)"),
        ("sma()", "sma(close, 20)"),
        ("sma(window=20)", "sma(close, 20)"),
        ("sma(window=20, x=close)", "sma(close, 20)"),
        ("SMA(close, 2e1)", "sma(close, 20)"),
        ("sma(`close`, 20.0)", "sma(close, 20)"),
        ("atr()", "atr(14)"),
        ("atr(14, high, low)", "atr(14)"),
        ("atr(high=top)", "atr(14, top)"),
        ("atr(low=bottom)", "atr(14, high, bottom)"),
        ("mean(goals, 5)", "mean(goals, 5)"),
        ("mean(goals, 5, least=1)", "mean(goals, 5, 1)"),
        ("if(a, b, c)", "where(a, b, c)"),
        ("a+b*c-d/e", "a + b * c - d / e"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("a-(b*c)", "a - b * c"),
        ("((a))", "a"),
        ("a*(b/c)", "a * (b / c)"),
        ("-a", "-a"),
        ("--a", "a"),
        ("-(a+b)", "-(a + b)"),
        ("-2", "-2"),
        ("--2", "2"),
        ("2--3", "2 - -3"),
        ("-2*a", "-2 * a"),
        ("a*-b", "a * -b"),
        ("a>b+1", "a > b + 1"),
        ("(a>b)*(b>c)", "(a > b) * (b > c)"),
        ("(a>b)>c", "(a > b) > c"),
        ("`Adj Close`/close", "`Adj Close` / close"),
        ("`over`+`a``b`", "`over` + `a``b`"),
        ("weather=='it''s \"hot\"'", 'weather == "it\'s ""hot"""'),
        ("mean(goals,5)over team", "mean(goals, 5) over team"),
        ("mean(goals,5) over (team)", "mean(goals, 5) over team"),
        ("mean(goals,5) over (b, a, b)", "mean(goals, 5) over (a, b)"),
        ("(a-lag(a)) over team", "(a - lag(a, 1)) over team"),
        ("(mean(a, 5) over x) over y", "(mean(a, 5) over x) over y"),
        ("mean(either(a,b),5) over either(home,away)", "mean(either(a, b), 5) over either(home, away)"),
        ("mean(either(a,b),5) over either(away,home)", "mean(either(a, b), 5) over either(away, home)"),
        ("either", "either"),
        ("days_until('2026-06-11')", 'days_until("2026-06-11")'),
        ("weekday()", "weekday()"),
        ("weekday(kickoff)", "weekday(kickoff)"),
        ("min(a,b,c)", "min(a, b, c)"),
        (".5 + 1e-3 + 1e20", "0.5 + 0.001 + 1e+20"),
        ("größe * 2", "größe * 2"),
    ],
)
def test_spellings_of_the_same_thing_are_one_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert str(parse(canonical)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "expected a number, a column or a function, found the end"),
        ("   ", 4, "found the end"),
        ("sma(", 5, "found the end"),
        ("sma(close", 10, 'expected "," or ")"'),
        ("sma(close,, 2)", 11, "found ,"),
        ("sma(clse, 20", 13, "found the end"),
        ("smaa(close)", 1, "did you mean sma"),
        ("SMAA(close)", 1, "did you mean sma"),
        ("sma(close, 2.5)", 12, "a whole number from 1 to 10,000 for window of sma, found 2.5"),
        ("sma(close, 0)", 12, "a whole number from 1 to 10,000"),
        ("sma(close, -3)", 12, "found -3"),
        ("sma(close, 10001)", 12, "found 10001"),
        ("sma(close, window)", 12, "found window"),
        ("sma(close, 20, 30)", 16, "at most 2 arguments: sma(x=close, window=20)"),
        ("sma(close, x=close)", 14, "each argument once"),
        ("sma(window=2, window=3)", 15, "each argument once"),
        ("sma(close, windw=3)", 18, "did you mean window"),
        ("sma(window=3, close)", 15, "name=value"),
        ("mean()", 1, "x in mean(x, window=20, least=0)"),
        ("mean('a')", 6, "a series for x of mean"),
        ("clip(a, 1)", 1, "most in clip(x, least, most)"),
        ("close +", 8, "found the end"),
        ("close close", 7, "an operator or the end, found close"),
        ("close ? 2", 7, "found ? 2"),
        ("close & 2", 7, "found & 2"),
        ("import os", 8, "found os"),
        ("__import__('os')", 1, "expected a function"),
        ("close.shift", 6, "found .shift"),
        ("a < b < c", 7, "one comparison"),
        ("1e999", 1, "a finite number"),
        ("`close", 1, "a closing `"),
        ("'close", 1, "a closing '"),
        ("``", 1, "a closing `"),
        ("close over team", 7, "an operator or the end"),
        ("over", 1, "a call or parentheses before over"),
        ("sma(a) over", 12, "a column after over"),
        ("sma(a) over (b", 15, '"," or ")"'),
        ("sma(a) over b over c", 15, "an operator or the end"),
        ("mean(a) over either(b)", 1, "2 to 8 different columns"),
        ("mean(a) over either(b, b)", 1, "2 to 8 different columns"),
        ("mean(either(a))", 6, "either(...) of 2 to 8 values"),
        ("days_until('soon')", 12, "a date such as"),
        ("days_until(5)", 12, "a date such as"),
        ("a = b = c", 3, "an operator or the end, found ="),
        ("(" * 40 + "a" + ")" * 40, 31, "at most 30 levels"),
        ("+".join(["a"] * 300), 257, "at most 256 parts"),
        ("a" * 2001, 2001, "at most 2,000 characters, found 2,001 characters"),
    ],
)
def test_what_cannot_be_read_is_told_exactly(text: str, position: int, message: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse(text)
    assert message in caught.value.message
    assert caught.value.position == position
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("entry", "name", "expression"),
    [
        ("sma(close)", "sma(close, 20)", "sma(close, 20)"),
        ("fast = sma(close, 5)", "fast", "sma(close, 5)"),
        ("`a = b` = close", "a = b", "close"),
        ("a name = close", "a name", "close"),
        ("up = close == open", "up", "close == open"),
        ("close == open", "close == open", "close == open"),
        ("atr(14, high=top) = atr(14, high=top)", "atr(14, high=top)", "atr(14, top)"),
    ],
)
def test_an_entry_may_name_its_expression(entry: str, name: str, expression: str) -> None:
    found, tree = parse_entry(entry)
    assert (found, str(tree)) == (name, expression)


@pytest.mark.parametrize("entry", ["= close", "` ` = ", f"{'n' * 301} = close", "`a\nb` = close", "x = y = close"])
def test_a_name_is_printable_and_of_some_length(entry: str) -> None:
    with pytest.raises(BadExpression):
        parse_entry(entry)


@given(st.text(max_size=300))
@UNHURRIED
def test_any_text_is_read_or_refused(text: str) -> None:
    _read_or_refused(text)


PIECES = [
    *["close", "`Adj Close`", "over", "either", "team", "1", "2.5", "-", "+", "*", "/", "(", ")", ",", "=", "==", "<"],
    *["'x'", " ", "sma(", "lag(", "mean(close, 5)", " over team", " over either(a, b)", "1e400", "\x00", "é", "²"],
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(UNHURRIED, max_examples=200)
def test_any_soup_of_tokens_is_read_or_refused(text: str) -> None:
    _read_or_refused(text)


@given(st.sampled_from("(-`'\"1a.,+=<"), st.integers(1, 3000))
@UNHURRIED
def test_hostile_repetition_is_cheap_to_refuse(piece: str, times: int) -> None:
    depth = sys.getrecursionlimit()
    _read_or_refused(piece * times)
    _read_or_refused(f"sma{piece}" * times)
    _read_or_refused("abs(" * times + "a" + ")" * times)
    assert sys.getrecursionlimit() == depth


def _read_or_refused(text: str) -> None:
    try:
        canonical = str(parse(text))
    except BadExpression as error:
        assert 1 <= error.position <= len(text) + 1  # noqa: PT017 whichever of the two it is
    else:
        assert str(parse(canonical)) == canonical
        assert parse(canonical) == parse(text)


names = st.one_of(
    st.sampled_from(["close", "over", "either", "Adj Close", "a`b", "1st", "größe"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
)


def _trees(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    operators = st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="])
    negative = inner.filter(lambda node: not isinstance(node, Number | Negative)).map(Negative)
    return st.one_of(st.builds(Binary, operators, inner, inner), negative, _calls(inner))


@st.composite
def _calls(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Call:
    function = draw(st.sampled_from(sorted(CATALOGUE)))
    arguments: list[Any] = []
    for parameter in CATALOGUE[function].parameters.values():
        match parameter:
            case Count(least=least, most=most):
                arguments.append(Number(float(draw(st.integers(least, most)))))
            case Real(least=least, most=most):
                arguments.append(Number(draw(st.floats(least, most)) + 0.0))
            case Dates():
                arguments.append(Column(draw(names)))
            case _:
                arguments.append(draw(inner))
    return Call(function, tuple(arguments))


numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Number(value + 0.0))
trees = st.recursive(st.one_of(names.map(Column), numbers), _trees, max_leaves=12)


@given(trees)
@settings(UNHURRIED, max_examples=200)
def test_the_text_of_any_tree_reads_back_as_the_tree(tree: Any) -> None:
    text = str(tree)
    try:
        read = parse(text)
    except BadExpression as error:
        assert "at most" in error.expected  # noqa: PT017 larger than may be written
    else:
        assert read == tree
        assert str(read) == text
