"""Reads the expression language: a recursive-descent parser that turns text into a tree of `nodes`.

comparison := sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
sum        := product {("+" | "-") product}
product    := unary {("*" | "/") unary}
unary      := "-" unary | term
term       := number | text | column | (call | "(" comparison ")") ["over" group]
call       := name "(" [argument {"," argument}] ")"
argument   := [name "="] comparison
group      := column | "(" column {"," column} ")" | "either" "(" column {"," column} ")"
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

from forecastle.features.errors import BadExpression, LooksAhead
from forecastle.features.functions import ALIASES, CATALOGUE
from forecastle.features.functions.calendar import microseconds
from forecastle.features.functions.declare import Count, Dates, Function, Parameter, Real, Series
from forecastle.features.nodes import (
    Binary,
    Call,
    Column,
    Either,
    Expression,
    Negative,
    Number,
    Over,
    Text,
    default_argument,
    spell,
)
from forecastle.features.tokens import Token, tokenize

__all__ = ["Expression", "parse", "parse_entry"]

MAX_DEPTH = 30
MAX_NODES = 256
MAX_ROLES = 8
MAX_NAME = 300
REMEMBERED = 4096
"""Texts whose trees are kept: the recipes of a search repeat them over and over."""
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})


@lru_cache(maxsize=REMEMBERED)
def parse(text: str) -> Expression:
    """The tree of an expression; `str` gives its canonical text.

    >>> str(parse("sma( close,window = 20 )"))
    'sma(close, 20)'

    Raises:
        BadExpression: it is not an expression; carries position, what was found and what was expected.
    """
    tokens = tokenize(text)
    return _Parser(text, tokens).whole()


@lru_cache(maxsize=REMEMBERED)
def parse_entry(text: str) -> tuple[str, Expression]:
    """Name and tree of an entry `name = expression` or `expression`, which is then its own name.

    Raises:
        BadExpression: the expression cannot be read, or the name is empty or too long.
    """
    tokens = tokenize(text)
    equals = _top_level_equals(tokens)
    if equals is None:
        expression = _Parser(text, tokens).whole()
        return spell(expression), expression
    name = _entry_name(text, tokens[: equals + 1])
    return name, _Parser(text, tokens, equals + 1).whole()


def _top_level_equals(tokens: Sequence[Token]) -> int | None:
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "symbol":
            depth += (token.text == "(") - (token.text == ")")
            if token.text == "=" and depth == 0:
                return index
    return None


def _entry_name(text: str, tokens: Sequence[Token]) -> str:
    name = tokens[0].text if len(tokens) == 2 and tokens[0].kind == "quoted" else text[: tokens[-1].at].strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadExpression(text, at=0, expected=f"a printable name of 1 to {MAX_NAME} characters before =", found=name)
    return name


@dataclass(slots=True)
class _Parser:
    """Position in the tokens of one expression."""

    text: str
    tokens: Sequence[Token]
    index: int = 0
    depth: int = 0
    nodes: int = field(default=0)

    def whole(self) -> Expression:
        expression = self.comparison()
        if self.now.kind != "end":
            raise self.unexpected("an operator or the end")
        return expression

    @property
    def now(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.now
        self.index += 1
        return token

    def at_symbol(self, *symbols: str) -> bool:
        return self.now.kind == "symbol" and self.now.text in symbols

    def expect(self, symbol: str, expected: str | None = None) -> Token:
        if not self.at_symbol(symbol):
            raise self.unexpected(expected or f'"{symbol}"')
        return self.advance()

    def unexpected(self, expected: str) -> BadExpression:
        return BadExpression(self.text, at=self.now.at, expected=expected, found=self.now.text or "the end")

    def count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise BadExpression(self.text, at=self.now.at, expected=f"at most {MAX_NODES} parts")

    def comparison(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadExpression(self.text, at=self.now.at, expected=f"at most {MAX_DEPTH} levels of nesting")
        left = self.sum()
        if self.now.kind == "symbol" and self.now.text in COMPARISONS:
            left = self.binary(left, self.sum)
            if self.now.text in COMPARISONS:
                raise self.unexpected("one comparison; write (a < b) * (b < c) for two")
        self.depth -= 1
        return left

    def sum(self) -> Expression:
        left = self.product()
        while self.at_symbol("+", "-"):
            left = self.binary(left, self.product)
        return left

    def product(self) -> Expression:
        left = self.unary()
        while self.at_symbol("*", "/"):
            left = self.binary(left, self.unary)
        return left

    def binary(self, left: Expression, operand: Callable[[], Expression]) -> Expression:
        self.count()
        operator = self.advance()
        return Binary(operator.text, left, operand(), at=operator.at)

    def unary(self) -> Expression:
        minuses: list[Token] = []
        while self.at_symbol("-"):
            self.count()
            minuses.append(self.advance())
        operand = self.term()
        for minus in reversed(minuses):
            match operand:
                case Number(value):
                    operand = Number(0.0 - value, at=minus.at)
                case Negative(inner):
                    operand = inner
                case _:
                    operand = Negative(operand, at=minus.at)
        return operand

    def term(self) -> Expression:
        self.count()
        token = self.now
        if token.kind == "number":
            return self.number()
        if token.kind == "text":
            return Text(self.advance().text, at=token.at)
        if self.at_symbol("("):
            self.advance()
            inner = self.comparison()
            self.expect(")", 'an operator or ")"')
            return self.grouped(inner, token.at)
        if token.kind in {"name", "quoted"}:
            return self.named()
        raise self.unexpected("a number, a column or a function")

    def number(self) -> Expression:
        token = self.advance()
        value = float(token.text)
        if not math.isfinite(value):
            raise BadExpression(self.text, at=token.at, expected="a finite number", found=token.text)
        return Number(value, at=token.at)

    def named(self) -> Expression:
        token = self.advance()
        if token.kind == "quoted" or not self.at_symbol("("):
            if token.kind == "name" and token.text == "over":
                raise BadExpression(self.text, at=token.at, expected="a call or parentheses before over", found="over")
            return Column(token.text, at=token.at)
        positional, named = self.arguments()
        if token.text == "either":
            return self.grouped(self.either(token, positional, named), token.at)
        function = self.function(token)
        call = Call(function.name, self.bind(function, token, positional, named), at=token.at)
        return self.grouped(call, token.at)

    def either(self, token: Token, branches: list[Expression], named: dict[str, Expression]) -> Expression:
        if named or not 2 <= len(branches) <= MAX_ROLES:
            raise BadExpression(
                self.text, at=token.at, expected=f"either(...) of 2 to {MAX_ROLES} values", found=str(len(branches))
            )
        return Either(tuple(branches), at=token.at)

    def function(self, token: Token) -> Function:
        name = ALIASES.get(token.text.lower(), token.text.lower())
        if name not in CATALOGUE:
            near = get_close_matches(name, [*CATALOGUE, *ALIASES, "either"], n=3)
            raise BadExpression(
                self.text, at=token.at, expected="a function", found=f"{token.text}()", suggestions=near
            )
        return CATALOGUE[name]

    def arguments(self) -> tuple[list[Expression], dict[str, Expression]]:
        self.expect("(")
        positional: list[Expression] = []
        named: dict[str, Expression] = {}
        while not self.at_symbol(")"):
            if positional or named:
                self.expect(",", '"," or ")"')
            self.argument(positional, named)
        self.advance()
        return positional, named

    def argument(self, positional: list[Expression], named: dict[str, Expression]) -> None:
        follower = self.tokens[min(self.index + 1, len(self.tokens) - 1)]
        if self.now.kind == "name" and follower.kind == "symbol" and follower.text == "=":
            name = self.advance()
            self.advance()
            if name.text in named:
                raise BadExpression(self.text, at=name.at, expected="each argument once", found=name.text)
            named[name.text] = self.comparison()
        elif named:
            raise self.unexpected("name=value, as the arguments before it")
        else:
            positional.append(self.comparison())

    def bind(
        self, function: Function, token: Token, positional: list[Expression], named: dict[str, Expression]
    ) -> tuple[Expression, ...]:
        """Arguments in declared order with defaults filled in."""
        names = list(function.parameters)
        variadic = bool(names) and getattr(function.parameters[names[-1]], "variadic", False)
        if len(positional) > len(names) and not variadic:
            raise BadExpression(
                self.text,
                at=positional[len(names)].at,
                expected=f"at most {len(names)} arguments: {function.signature}",
            )
        if unknown := next((name for name in named if name not in names[len(positional) :]), None):
            wanted = "each argument once" if unknown in names else f"an argument of {function.signature}"
            near = get_close_matches(unknown, names)
            raise BadExpression(self.text, at=named[unknown].at, expected=wanted, found=f"{unknown}=", suggestions=near)
        bound = [
            self.fill(function, token, name, positional[index] if index < len(positional) else named.get(name))
            for index, name in enumerate(names)
        ]
        rest = positional[len(names) :]
        return (*bound, *(self.check(function, names[-1], extra) for extra in rest))

    def fill(self, function: Function, token: Token, name: str, given: Expression | None) -> Expression:
        if given is not None:
            return self.check(function, name, given)
        default = default_argument(function.parameters[name], token.at)
        if default is None:
            raise BadExpression(self.text, at=token.at, expected=f"{name} in {function.signature}", found="nothing")
        return default

    def check(self, function: Function, name: str, argument: Expression) -> Expression:
        expected = _misfit(function.parameters[name], argument)
        if expected:
            where = f"{expected} for {name} of {function.name}"
            if isinstance(function.parameters[name], Count) and spell(argument).startswith("-"):
                ahead = f"{where}, as a feature sees no later row"
                raise LooksAhead(self.text, at=argument.at, expected=ahead, found=spell(argument))
            raise BadExpression(self.text, at=argument.at, expected=where, found=spell(argument))
        return argument

    def grouped(self, body: Expression, at: int) -> Expression:
        if not (self.now.kind == "name" and self.now.text == "over"):
            return body
        self.advance()
        self.count()
        if self.at_symbol("("):
            self.advance()
            return Over(body, tuple(sorted(set(self.columns()))), at=at)
        column = self.column()
        if column == "either" and self.at_symbol("("):
            self.advance()
            return self.roles(body, at)
        return Over(body, (column,), at=at)

    def roles(self, body: Expression, at: int) -> Expression:
        columns = self.columns()
        if not 2 <= len(set(columns)) == len(columns) <= MAX_ROLES:
            raise BadExpression(self.text, at=at, expected=f"2 to {MAX_ROLES} different columns in over either(...)")
        return Over(body, columns, roles=True, at=at)

    def columns(self) -> tuple[str, ...]:
        names = [self.column()]
        while self.at_symbol(","):
            self.advance()
            names.append(self.column())
        self.expect(")", '"," or ")"')
        return tuple(names)

    def column(self) -> str:
        if self.now.kind not in {"name", "quoted"}:
            raise self.unexpected("a column after over")
        return self.advance().text


def _misfit(parameter: Parameter, argument: Expression) -> str | None:
    """What the parameter expects, when the argument cannot be it whatever the table."""
    match parameter:
        case Count(least=least, most=most):
            fits = isinstance(argument, Number) and argument.value.is_integer() and least <= argument.value <= most
            return None if fits else f"a whole number from {least:,} to {most:,}"
        case Real(least=least, most=most):
            fits = isinstance(argument, Number) and least <= argument.value <= most
            return None if fits else f"a number from {least:g} to {most:g}"
        case Dates():
            fits = isinstance(argument, Column) or (
                isinstance(argument, Text) and microseconds(argument.value) is not None
            )
            return None if fits else 'a date such as "2026-06-11" or a time column'
        case Series(accepts="any"):
            return None
        case Series():
            return "a series" if isinstance(argument, Text) else None
