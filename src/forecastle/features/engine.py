"""Computes expressions over a frame. All values are float64: categories as codes, times as microseconds, missing NaN.

Kernels see one group's values in the order of time and nothing else, so no result can depend on another group or on
a later row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features import calls, groups
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Function, State, Values
from forecastle.features.functions.presence import Presence, settled, together
from forecastle.features.functions.windows import evaluate
from forecastle.features.groups import Groups
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
)
from forecastle.features.table import kind_of

States = dict[str, State]

_COMPARISONS: Mapping[str, Callable[[Values, Values], NDArray[np.bool_]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_ARITHMETIC: Mapping[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


@dataclass(slots=True)
class Engine:
    """One frame's computations; what several features share is computed once.

    `frame` is sorted by time and then keys.
    """

    frame: pl.DataFrame
    time: str | None
    keys: tuple[str, ...]
    states: States = field(default_factory=dict)
    _columns: dict[str, Values] = field(default_factory=dict)
    _codes: dict[str, int] = field(default_factory=dict)
    _groups: dict[tuple[tuple[str, ...], bool], Groups] = field(default_factory=dict)
    _results: dict[object, tuple[Values, ...]] = field(default_factory=dict)
    _present: dict[int, Presence] = field(default_factory=dict)
    """Where the arrays of `_columns` and `_results` have values, by their `id`."""
    _expected: dict[object, dict[Call, None]] = field(default_factory=dict)
    """Calls of local functions that will be asked for, by their series and arrangement."""

    def expect(self, expressions: Iterable[Expression]) -> None:
        """Say what will be asked for, so that what can be computed together is."""
        own = self.arranged(self.keys, roles=False)
        for expression in expressions:
            for call, arrangement in self.placed(expression, own):
                if CATALOGUE[call.function].mode == "local":
                    self._expected.setdefault((calls.series(call), id(arrangement)), {})[call] = None

    def placed(self, node: Expression, arrangement: Groups) -> Iterator[tuple[Call, Groups]]:
        """Every call in an expression with the arrangement it is evaluated in, inner ones first."""
        for child in children(node):
            yield from self.placed(child, self._inside(node, arrangement))
        if isinstance(node, Call):
            yield node, arrangement

    def _inside(self, node: Expression, arrangement: Groups) -> Groups:
        match node:
            case Over(_, columns, roles):
                return self.arranged(columns, roles=roles)
            case Either():
                return self.arranged(self.keys, roles=False)
            case _:
                return arrangement

    def values(self, expression: Expression) -> Values:
        """The expression's value for each row of the frame."""
        arrangement = self.arranged(self.keys, roles=False)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return arrangement.gather(self.full(self.evaluate(expression, arrangement), arrangement))

    def presence(self, values: Values) -> Presence:
        """Where there is a value."""
        return self._present.get(id(values)) or settled(values)[1]

    def labels(self, expression: Expression) -> pl.Series:
        """A category expression's text for each row of the frame."""
        values = self.values(expression)
        codes = np.where(np.isnan(values), len(self._codes), values).astype(np.int64)
        vocabulary = pl.Series([*self._codes, None], dtype=pl.String)
        return vocabulary.gather(codes)

    def fit(self, call: Call, groups_of: Groups, rows: NDArray[np.bool_]) -> State:
        """The state of a fitted function, learned from those rows of the frame."""
        fit = CATALOGUE[call.function].fit
        if fit is None:
            raise TypeError(f"{call.function} learns nothing")
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inputs = [self.full(self.evaluate(item, groups_of), groups_of) for item in call.arguments]
        return fit(*(values[groups_of.spread(rows)] for values in inputs))

    def arranged(self, columns: tuple[str, ...], *, roles: bool) -> Groups:
        """The frame's rows grouped by columns, or by the entity in any of them."""
        known = self._groups.get((columns, roles))
        if known is None:
            times = None if self.time is None else self.column(self.time)
            if roles:
                known = groups.by_roles(self.frame, columns, times)
            elif columns and self.time is not None:
                known = groups.by_columns(self.frame, columns, times, default=columns == self.keys)
            else:
                known = groups.whole(self.frame.height, times)
            self._groups[columns, roles] = known
        return known

    def column(self, name: str) -> Values:
        """A column of the frame as numbers, in the order of its rows."""
        if name not in self._columns:
            self._columns[name] = self._settled(self._load(self.frame.get_column(name)))
        return self._columns[name]

    def full(self, values: Values | float, arrangement: Groups) -> Values:
        """One value a place, where a constant may have been given."""
        if isinstance(values, np.ndarray) and values.ndim:
            return values
        return np.full(arrangement.size, float(values))

    def evaluate(self, node: Expression, arrangement: Groups) -> Values:  # noqa: PLR0911 one case a node
        """The value at each place of an arrangement, or a constant."""
        match node:
            case Number(value):
                return np.asarray(value, dtype=np.float64)
            case Text(value):
                return np.asarray(float(self._codes.setdefault(value, len(self._codes))))
            case Column(name):
                return self._remembered(node, arrangement, lambda: arrangement.spread(self.column(name)))
            case RowTime():
                return self._row_time(arrangement)
            case Negative(operand):
                return -self.evaluate(operand, arrangement)
            case Binary():
                return self._remembered(node, arrangement, lambda: self._binary(node, arrangement))
            case Either(branches):
                return self._by_role(branches, arrangement)
            case Over(body, columns, roles):
                inner = self.arranged(columns, roles=roles)
                return arrangement.spread(inner.gather(self.full(self.evaluate(body, inner), inner)))
            case Call():
                return self._call(node, arrangement)

    def _remembered(self, key: object, arrangement: Groups, compute: Callable[[], Values]) -> Values:
        place = (key, id(arrangement))
        if place not in self._results:
            self._results[place] = (self._settled(compute()),)
        return self._results[place][0]

    def _settled(self, values: Values) -> Values:
        """The values with infinities made missing, to be kept."""
        if id(values) not in self._present:
            values, presence = settled(values)
            self._present[id(values)] = presence
        return values

    def _row_time(self, arrangement: Groups) -> Values:
        if self.time is None:
            raise ValueError("a table without a time column has no time of the row")
        return arrangement.spread(self.column(self.time))

    def _binary(self, node: Binary, arrangement: Groups) -> Values:
        left, right = self.evaluate(node.left, arrangement), self.evaluate(node.right, arrangement)
        if compare := _COMPARISONS.get(node.operator):
            missing = np.isnan(left) | np.isnan(right)
            return np.where(missing, np.nan, compare(left, right).astype(np.float64))
        return np.asarray(_ARITHMETIC[node.operator](left, right))

    def _by_role(self, branches: tuple[Expression, ...], arrangement: Groups) -> Values:
        if arrangement.role is None:
            raise ValueError("either(...) needs over either(...)")
        plain = self.arranged(self.keys, roles=False)
        choices = [
            arrangement.spread(plain.gather(self.full(self.evaluate(branch, plain), plain))) for branch in branches
        ]
        return np.choose(arrangement.role, choices) if choices[0].size else choices[0]

    def _call(self, call: Call, arrangement: Groups) -> Values:
        function = CATALOGUE[call.function]
        key = _key(call, arrangement)
        if key not in self._results:
            if function.mode == "local":
                self._run_local(call, arrangement)
            else:
                self._results[key] = tuple(map(self._settled, self._run(function, call, arrangement)))
        return self._results[key][function.output or 0]

    def _run_local(self, call: Call, arrangement: Groups) -> None:
        """Computes a call, and with it whatever is expected of the same series."""
        asked = {call: None, **self._expected.get((calls.series(call), id(arrangement)), {})}
        expected = [each for each in asked if _key(each, arrangement) not in self._results]
        formulas = [CATALOGUE[each.function].kernel(*calls.constants(each)) for each in expected]
        series = [self.full(self.evaluate(item, arrangement), arrangement) for item in calls.series(call)]
        observed = together(map(self.presence, series))
        if observed is None and arrangement.is_one:
            results = evaluate(formulas, series)
        else:
            parts = arrangement.apply(
                lambda *inputs: tuple(values for values, _ in evaluate(formulas, inputs)), series, observed
            )
            results = [settled(values) for values in parts]
        for each, (values, presence) in zip(expected, results, strict=True):
            self._present[id(values)] = presence
            self._results[_key(each, arrangement)] = (values,)

    def _run(self, function: Function, call: Call, arrangement: Groups) -> tuple[Values, ...]:
        arguments = [
            item if isinstance(item, calls.Constant) else self.evaluate(item, arrangement)
            for item in calls.arguments(call)
        ]
        match function.mode:
            case "window":
                return self._over_windows(function, arguments, arrangement)
            case "position":
                series = [self.full(item, arrangement) if isinstance(item, np.ndarray) else item for item in arguments]
                return _several(function.kernel(arrangement, *series))
            case "clocked":
                return _several(function.kernel(self._row_time(arrangement), *arguments))
            case "fitted":
                state = self.states.get(state_name(call, arrangement), {})
                return _several(function.kernel(state, *(self.full(item, arrangement) for item in arguments)))
            case "row":
                return _several(function.kernel(*arguments))
            case "local":
                raise TypeError(f"{call.function} is computed together with others")

    def _over_windows(
        self, function: Function, arguments: list[Values | calls.Constant], arrangement: Groups
    ) -> tuple[Values, ...]:
        series = {
            index: self.full(item, arrangement) for index, item in enumerate(arguments) if isinstance(item, np.ndarray)
        }

        def kernel(*observed: Values) -> tuple[Values, ...]:
            filled = list(arguments)
            for index, values in zip(series, observed, strict=True):
                filled[index] = values
            return _several(function.kernel(*filled))

        return arrangement.apply(kernel, list(series.values()), together(map(self.presence, series.values())))

    def _load(self, series: pl.Series) -> Values:
        match kind_of(series.dtype):
            case "number":
                return series.cast(pl.Float64).to_numpy()
            case "time":
                return series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy()
            case "category":
                texts = series.cast(pl.String)
                distinct = texts.drop_nulls().unique(maintain_order=True).to_list()
                codes = [float(self._codes.setdefault(text, len(self._codes))) for text in distinct]
                return texts.replace_strict(distinct, codes, default=None, return_dtype=pl.Float64).to_numpy()


def state_name(call: Call, arrangement: Groups) -> str:
    """Under which name the state of a fitted function is kept: its canonical text and what it is grouped over."""
    return spell(call) + arrangement.label


def _key(call: Call, arrangement: Groups) -> object:
    return CATALOGUE[call.function].kernel, call.arguments, id(arrangement)


def _several(result: Values | tuple[Values, ...]) -> tuple[Values, ...]:
    return result if isinstance(result, tuple) else (result,)
