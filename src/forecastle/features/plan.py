"""A feature plan: named expressions fitted to a table, ready to learn their states and to be computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.errors import BadInput
from forecastle.features.engine import Engine, States, state_name
from forecastle.features.errors import BadExpression
from forecastle.features.expressions import parse_entry
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Values
from forecastle.features.functions.presence import Presence
from forecastle.features.nodes import (
    Binary,
    Call,
    Column,
    Expression,
    Number,
    Over,
    children,
    spell,
    walk,
    with_children,
)
from forecastle.features.table import Table, fit_to_table
from forecastle.features.tokens import quote_name

__all__ = ["FeaturePlan", "PlannedFeature", "States"]

MAX_FEATURES = 1_000


@dataclass(frozen=True, slots=True)
class PlannedFeature:
    """One column of the feature matrix."""

    name: str
    expression: str
    """Canonical text with the table's own column names."""
    kind: Literal["number", "category"]
    tree: Expression

    @property
    def entry(self) -> str:
        """Name and expression as one text that `FeaturePlan.of` reads back."""
        return f"{quote_name(self.name)} = {self.expression}"


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The features of a model, in order, over tables of one schema."""

    columns: tuple[PlannedFeature, ...]
    table: Table

    @classmethod
    def of(
        cls,
        features: Sequence[str],
        *,
        schema: Mapping[str, pl.DataType],
        time: str | None,
        keys: tuple[str, ...],
        context: Sequence[str] = (),
        hidden: Sequence[str] = (),
    ) -> "FeaturePlan":
        """The plan for entries `expression` or `name = expression`.

        `hidden` are columns not known when a prediction is made; `context` the names of joined series.

        Raises:
            BadExpression: an entry cannot be read or does not fit the schema.
            BadInput: there are no features, too many, or two of one name.
        """
        if not 0 < len(features) <= MAX_FEATURES:
            raise BadInput.at("features", expected=f"1 to {MAX_FEATURES:,} expressions", found=str(len(features)))
        table = Table.of(schema, time=time, keys=keys, context=context, hidden=hidden)
        columns = tuple(_planned(entry, table) for entry in features)
        seen: set[str] = set()
        for column in columns:
            if column.name in seen:
                raise BadInput.at("features", expected="each name once", found=column.name)
            seen.add(column.name)
        return cls(columns, table)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def sources(self) -> frozenset[str]:
        """The columns that computing takes, besides time and keys."""
        nodes = [node for column in self.columns for node in walk(column.tree)]
        named = {node.name for node in nodes if isinstance(node, Column)}
        return frozenset(named.union(*(node.columns for node in nodes if isinstance(node, Over))))

    @property
    def learned(self) -> "FeaturePlan":
        """The plan of the features alone that are fitted, or made from one that is."""
        return replace(self, columns=tuple(each for each in self.columns if any(map(_is_fitted, walk(each.tree)))))

    @property
    def unlearned(self) -> "FeaturePlan":
        """The plan with a constant in place of what fitted functions give, missing wherever one of their inputs is.

        It tells which rows have their features whatever is learned, and from which rows.
        """
        return replace(self, columns=tuple(replace(each, tree=_unlearned(each.tree)) for each in self.columns))

    def fit(self, frame: pl.DataFrame, rows: NDArray[np.bool_] | None = None) -> States:
        """What fitted features learn from those rows of the frame (all by default): nothing else is looked at.

        The frame is sorted by time, then keys. Values at a row come from it and earlier rows, so rows after the last
        of `rows` have no influence.
        """
        chosen = np.ones(frame.height, dtype=np.bool_) if rows is None else rows
        states: States = {}
        engine = self._engine(frame, states)
        own = engine.arranged(self.table.keys, roles=False)
        for call, arrangement in chain.from_iterable(engine.placed(column.tree, own) for column in self.columns):
            name = state_name(call, arrangement)
            if _is_fitted(call) and name not in states:
                states[name] = engine.fit(call, arrangement, chosen)
        return states

    def compute(self, frame: pl.DataFrame, states: States) -> pl.DataFrame:
        """One column a feature, one row for each row of the frame, which is sorted by time, then keys.

        Numbers are Float64 with null where missing, categories String.
        """
        engine = self._engine(frame, states)
        engine.expect(column.tree for column in self.columns)
        return pl.DataFrame([_computed(column, engine) for column in self.columns])

    def _engine(self, frame: pl.DataFrame, states: States) -> Engine:
        return Engine(frame, self.table.time, self.table.keys, states)


def _planned(entry: str, table: Table) -> PlannedFeature:
    name, expression = parse_entry(entry)
    tree, kind = fit_to_table(entry, expression, table)
    if kind == "time":
        raise BadExpression(entry, at=0, expected="a number or a category", found="a time")
    return PlannedFeature(name, spell(tree), kind, tree)


def _computed(column: PlannedFeature, engine: Engine) -> pl.Series:
    if column.kind == "category":
        return engine.labels(column.tree).alias(column.name)
    values = engine.values(column.tree)
    return _series(column.name, values, engine.presence(values))


def _series(name: str, values: Values, presence: Presence) -> pl.Series:
    """The values as a column that shares their memory, null where there are none."""
    import pyarrow as pa  # noqa: PLC0415 - 25 MB that a server of predictions by vector does without

    known = None if presence.complete else pa.py_buffer(presence.bits().data)
    buffers: list[pa.Buffer | None] = [known, pa.py_buffer(np.ascontiguousarray(values).data)]
    return pl.Series(name, pa.Array.from_buffers(pa.float64(), len(values), buffers))


def _is_fitted(node: Expression) -> bool:
    return isinstance(node, Call) and CATALOGUE[node.function].mode == "fitted"


def _unlearned(node: Expression) -> Expression:
    operands = tuple(map(_unlearned, children(node)))
    if not _is_fitted(node):
        return with_children(node, operands)
    placeholder: Expression = Number(0.5)
    for operand in operands:
        placeholder = Binary("+", placeholder, Binary("*", Number(0.0), operand))
    return placeholder
