"""The tree of an expression. Its text is canonical: `str` of equal trees is equal, and parses to the same tree."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import ROW_TIME, Count, Parameter, Real, Series
from forecastle.features.tokens import quote_name, quote_text

_STRENGTH = {"+": 2, "-": 2, "*": 3, "/": 3}
_COMPARISON = 1
_NEGATION = 4
_ATOM = 5


@dataclass(frozen=True, slots=True)
class _Node:
    at: int = field(default=0, compare=False, repr=False, kw_only=True)
    """Where it starts in the text it was read from."""

    def __str__(self) -> str:
        return spell(self)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Number(_Node):
    """A literal number."""

    value: float

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Text(_Node):
    """A literal text."""

    value: str

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Column(_Node):
    """A column of the table."""

    name: str

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class RowTime(_Node):
    """The time of the row."""

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Negative(_Node):
    """The operand with its sign changed."""

    operand: "Expression"

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Binary(_Node):
    """An arithmetic operation or a comparison."""

    operator: str
    left: "Expression"
    right: "Expression"

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Call(_Node):
    """A function with all its arguments in declared order, defaults included."""

    function: str
    arguments: tuple["Expression", ...]

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Either(_Node):
    """The value that belongs to the role an entity played; inside `over either(...)` only."""

    branches: tuple["Expression", ...]

    __str__ = _Node.__str__


@dataclass(frozen=True, slots=True)
class Over(_Node):
    """`body` computed within groups of other columns: all of `columns` together, or any one of them as a role."""

    body: "Expression"
    columns: tuple[str, ...]
    roles: bool = False

    __str__ = _Node.__str__


Expression: TypeAlias = Number | Text | Column | RowTime | Negative | Binary | Call | Either | Over


def children(node: Expression) -> tuple[Expression, ...]:
    """The operands of a node."""
    match node:
        case Negative(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, operands) | Either(operands):
            return operands
        case Over(body):
            return (body,)
        case _:
            return ()


def with_children(node: Expression, operands: tuple[Expression, ...]) -> Expression:
    """The same node over other operands."""
    match node:
        case Negative():
            return replace(node, operand=operands[0])
        case Binary():
            return replace(node, left=operands[0], right=operands[1])
        case Call():
            return replace(node, arguments=operands)
        case Either():
            return replace(node, branches=operands)
        case Over():
            return replace(node, body=operands[0])
        case _:
            return node


def walk(node: Expression) -> Iterator[Expression]:
    """Every node of the tree, operands before the node that uses them."""
    for child in children(node):
        yield from walk(child)
    yield node


def nesting(node: Expression) -> int:
    """How many calls are inside each other, this node included."""
    return max(map(nesting, children(node)), default=0) + isinstance(node, Call)


def spell(node: Expression) -> str:
    """The canonical text."""
    return _spell(node)[0]


def _spell(node: Expression) -> tuple[str, int]:  # noqa: PLR0911 one case a node
    match node:
        case Number(value):
            return _number(value), _ATOM if value >= 0 else _NEGATION
        case Text(value):
            return quote_text(value), _ATOM
        case Column(name):
            return quote_name(name), _ATOM
        case RowTime():
            return ROW_TIME, _ATOM
        case Negative(operand):
            return "-" + _within(operand, _NEGATION), _NEGATION
        case Binary(operator, left, right):
            strength = _STRENGTH.get(operator, _COMPARISON)
            least_left = strength if operator in _STRENGTH else strength + 1
            return f"{_within(left, least_left)} {operator} {_within(right, strength + 1)}", strength
        case Call(function, arguments):
            return f"{function}({', '.join(_arguments(function, arguments))})", _ATOM
        case Either(branches):
            return f"either({', '.join(map(spell, branches))})", _ATOM
        case Over(body, columns, roles):
            text = spell(body) if isinstance(body, Call | Either) else f"({spell(body)})"
            return f"{text} over {_group(columns, roles=roles)}", _ATOM


def _within(node: Expression, least: int) -> str:
    text, strength = _spell(node)
    return text if strength >= least else f"({text})"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _group(columns: tuple[str, ...], *, roles: bool) -> str:
    names = ", ".join(map(quote_name, columns))
    if roles:
        return f"either({names})"
    return names if len(columns) == 1 else f"({names})"


def _arguments(function: str, arguments: tuple[Expression, ...]) -> list[str]:
    """All arguments by position, without the default columns at the end."""
    parameters = list(CATALOGUE[function].parameters.values())
    needed = len(arguments)
    while 0 < needed <= len(parameters) and _quiet(parameters[needed - 1], arguments[needed - 1]):
        needed -= 1
    return [spell(argument) for argument in arguments[:needed]]


def _quiet(parameter: Parameter, argument: Expression) -> bool:
    loud = isinstance(parameter, Count | Real) and not (isinstance(parameter, Count) and parameter.optional)
    return not loud and argument == default_argument(parameter)


def default_argument(parameter: object, at: int = 0) -> Expression | None:
    """The node of a parameter's default, None when it must be given."""
    match parameter:
        case Series(default=default) if default == ROW_TIME:
            return RowTime(at=at)
        case Series(default=str(default)):
            return Column(default, at=at)
        case Count(default=default) | Real(default=default) if default is not None:
            return Number(float(default), at=at)
        case _:
            return None
