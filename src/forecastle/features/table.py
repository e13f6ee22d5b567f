"""Fits an expression to a table: finds its columns, checks kinds, refuses what is not known at prediction time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, TypeAlias

import polars as pl

from forecastle.features.errors import BadExpression, LooksAhead
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Dates, Parameter, Series
from forecastle.features.nodes import (
    Binary,
    Call,
    Column,
    Either,
    Expression,
    Negative,
    Number,
    Over,
    RowTime,
    Text,
    children,
    spell,
    with_children,
)

Kind: TypeAlias = Literal["number", "category", "time"]

_EQUALITY = frozenset({"==", "!="})
_COLUMN_OF_KIND = {"number": "a number", "category": "a category", "time": "a time"}


def kind_of(dtype: pl.DataType) -> Kind:
    """What a column holds, for expressions; a boolean is the number 0 or 1."""
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "number"
    return "time" if dtype.is_temporal() else "category"


@dataclass(frozen=True, slots=True)
class Table:
    """What an expression may refer to."""

    kinds: Mapping[str, Kind]
    time: str | None = None
    keys: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    """Columns not known at prediction time."""

    @classmethod
    def of(
        cls,
        schema: Mapping[str, pl.DataType],
        *,
        time: str | None,
        keys: Sequence[str] = (),
        context: Sequence[str] = (),
        hidden: Sequence[str] = (),
    ) -> "Table":
        """The table of a frame's schema; `hidden` names are found as an expression's are."""
        kinds = {name: kind_of(dtype) for name, dtype in schema.items()}
        table = cls(kinds, time, tuple(keys), tuple(context))
        names = frozenset(table.find(name, text=name, at=0) for name in hidden)
        return replace(table, hidden=names)

    def find(self, name: str, *, text: str, at: int) -> str:
        """The column of that name: exactly, else without regard to case and punctuation.

        Raises:
            BadExpression: there is none, or more than one.
        """
        if name in self.kinds:
            return name
        near = [column for column in self.kinds if plain(column) == plain(name)]
        if len(near) == 1:
            return near[0]
        if near:
            raise BadExpression(
                text, at=at, expected="one column", found=name, suggestions=[f"`{column}`" for column in near]
            )
        by_plain = {plain(column): column for column in self.kinds}
        similar = [by_plain[match] for match in get_close_matches(plain(name), by_plain, n=3)]
        some = ", ".join(sorted(self.kinds)[:6])
        raise BadExpression(
            text, at=at, expected="a column" if similar else f"a column ({some}, …)", found=name, suggestions=similar
        )


def plain(name: str) -> str:
    """Lower case, with runs of anything but letters and digits as one `_`: `Adj Close` is `adj_close`."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def fit_to_table(text: str, expression: Expression, table: Table) -> tuple[Expression, Kind]:
    """The expression with the table's own column names, and the kind of its values.

    Raises:
        BadExpression: a column does not exist, kinds do not fit, a hidden column would be used at the row itself, or
            a function needs the order of rows and the table has no time column.
    """
    fitting = _Fitting(text, table)
    resolved = fitting.resolve(expression)
    kind = fitting.kind(resolved, roles=0)
    if kind == "time":
        fitting.refuse(resolved, "a number or a category", f"the time {spell(resolved)}")
    fitting.refuse_hidden(resolved)
    return resolved, kind


@dataclass(frozen=True, slots=True)
class _Fitting:
    text: str
    table: Table

    def refuse(self, node: Expression, expected: str, found: str) -> None:
        raise BadExpression(self.text, at=node.at, expected=expected, found=found)

    def resolve(self, node: Expression) -> Expression:
        operands = tuple(self.resolve(child) for child in children(node))
        match node:
            case Column(name):
                return replace(node, name=self.table.find(name, text=self.text, at=node.at))
            case Over(_, columns, roles):
                found = [self.table.find(name, text=self.text, at=node.at) for name in columns]
                return replace(node, body=operands[0], columns=tuple(found if roles else sorted(found)))
            case _:
                return with_children(node, operands)

    def kind(self, node: Expression, *, roles: int) -> Kind:  # noqa: PLR0911 one case a node
        """Kind of the values; `roles` is the number of role columns in force, 0 outside `over either(...)`."""
        match node:
            case Number():
                return "number"
            case Text():
                return "category"
            case Column(name):
                return self.table.kinds[name]
            case RowTime():
                self.need_time(node, "the time of the row")
                return "time"
            case Negative(operand):
                self.need("number", operand, self.kind(operand, roles=roles), "after -")
                return "number"
            case Binary():
                return self.binary_kind(node, roles)
            case Either(branches):
                return self.either_kind(node, branches, roles)
            case Over(body, columns, by_role):
                self.check_group(node, columns)
                return self.kind(body, roles=len(columns) if by_role else 0)
            case Call():
                return self.call_kind(node, roles)

    def need(self, kind: Kind, node: Expression, found: Kind, where: str) -> None:
        if found != kind:
            what = "the text" if isinstance(node, Text) else f"the {found}"
            self.refuse(node, f"{_COLUMN_OF_KIND[kind]} {where}", f"{what} {spell(node)}")

    def need_time(self, node: Expression, what: str) -> None:
        if self.table.time is None:
            self.refuse(node, "a table with a time column", f"none, which {what} needs")

    def binary_kind(self, node: Binary, roles: int) -> Kind:
        left, right = self.kind(node.left, roles=roles), self.kind(node.right, roles=roles)
        if node.operator in _EQUALITY and left == right and left != "time":
            return "number"
        for side, kind in ((node.left, left), (node.right, right)):
            self.need("number", side, kind, f"beside {node.operator}")
        return "number"

    def either_kind(self, node: Either, branches: tuple[Expression, ...], roles: int) -> Kind:
        if roles != len(branches):
            expected = f"over either(...) of {len(branches)} role columns around either(...)"
            self.refuse(node, expected, f"{roles} role columns" if roles else "none")
        kinds = [self.kind(branch, roles=0) for branch in branches]
        for branch, kind in zip(branches, kinds, strict=True):
            self.need(kinds[0], branch, kind, "as the first value of either(...)")
        return kinds[0]

    def check_group(self, node: Over, columns: tuple[str, ...]) -> None:
        self.need_time(node, "over")
        for name in columns:
            if self.table.kinds[name] == "time":
                self.refuse(node, "a column of names or numbers after over", f"the time {name}")

    def call_kind(self, node: Call, roles: int) -> Kind:
        function = CATALOGUE[node.function]
        if function.mode in {"window", "local", "position", "clocked"}:
            self.need_time(node, f"{function.name}()")
        parameters = list(function.parameters.items())
        kinds = [self.kind(argument, roles=roles) for argument in node.arguments]  # of each once: trees are deep
        for index, (argument, kind) in enumerate(zip(node.arguments, kinds, strict=True)):
            name, parameter = parameters[min(index, len(parameters) - 1)]
            self.check_argument(parameter, argument, kind, f"for {name} of {function.name}")
        return kinds[0] if function.passes_kind else "number"

    def check_argument(self, parameter: Parameter, argument: Expression, kind: Kind, where: str) -> None:
        match parameter:
            case Series(accepts="any"):
                if kind == "time":
                    self.refuse(argument, f"a number or a category {where}", f"the time {spell(argument)}")
            case Series(accepts=accepted):
                self.need("time" if accepted == "time" else "number", argument, kind, where)
            case Dates() if not isinstance(argument, Text):
                self.need("time", argument, kind, where)
            case _:
                pass

    def refuse_hidden(self, node: Expression) -> None:
        lags = least_lags(node)
        for name in sorted(self.table.hidden):
            if lags.get(name) == 0:
                raise LooksAhead(
                    self.text,
                    at=_first_use(node, name),
                    expected=f"{name} inside lag(...) or before(...): it is not known when the prediction is made",
                    found=name,
                )


def least_lags(node: Expression) -> dict[str, int]:
    """For each column used, how many rows of earlier time lie at least between it and the row: 0 is the row itself."""
    lags: dict[str, int] = {}
    for child in children(node):
        for name, rows in least_lags(child).items():
            lags[name] = min(rows, lags.get(name, rows))
    match node:
        case Column(name):
            return {name: 0}
        case Call(function, arguments) if CATALOGUE[function].past:
            step = int(arguments[1].value) if len(arguments) > 1 and isinstance(arguments[1], Number) else 1
            return {name: rows + step for name, rows in lags.items()}
        case Over(_, columns):
            return lags | dict.fromkeys(columns, 0)
        case _:
            return lags


def _first_use(node: Expression, name: str) -> int:
    """Where the column is first used outside `lag` and `before`."""
    match node:
        case Column(found):
            return node.at if found == name else -1
        case Call(function) if CATALOGUE[function].past:
            return -1
        case Over(_, columns) if name in columns:
            return node.at
        case _:
            return max((_first_use(child, name) for child in children(node)), default=-1)
