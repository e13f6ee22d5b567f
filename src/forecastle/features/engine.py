"""Computes expressions over a frame. All values are float64: categories as codes, times as microseconds, missing NaN.

Kernels see one group's values in the order of time and nothing else, so no result can depend on another group or on
a later row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features import calls, groups, threads
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Function, State, Values
from forecastle.features.functions.presence import Presence, settled, settled_recursion, together
from forecastle.features.functions.windows import Evaluation, Local, evaluate
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
    nesting,
    spell,
)
from forecastle.features.table import kind_of

States = dict[str, State]
_WORTH_THREADS = 50_000
"""Rows from which on threads save more than starting them costs."""

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

    def expect(self, expressions: Iterable[Expression]) -> None:
        """Say what will be asked for: what can be computed together is, on every core."""
        own = self.arranged(self.keys, roles=False)
        layers: dict[int, list[tuple[Call, Groups]]] = {}
        for expression in expressions:
            for call, arrangement in self.placed(expression, own):
                layers.setdefault(nesting(call), []).append((call, arrangement))
        with _quiet():
            for _, layer in sorted(layers.items(), key=lambda item: item[0]):
                self._compute(layer)

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
        with _quiet():
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
        with _quiet():
            inputs = [self.full(self.evaluate(item, groups_of), groups_of) for item in call.arguments]
        return fit(*(values[groups_of.spread(rows)] for values in inputs))

    def arranged(self, columns: tuple[str, ...], *, roles: bool) -> Groups:
        """The frame's rows grouped by columns, or by the entity in any of them."""
        known = self._groups.get((columns, roles))
        if known is None:
            times = None if self.time is None else _instants(self.frame.get_column(self.time)).to_numpy()
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
        key = _key(call, arrangement)
        if key not in self._results:
            self._compute([(call, arrangement)])
        return self._results[key][CATALOGUE[call.function].output or 0]

    def _compute(self, placed: Iterable[tuple[Call, Groups]]) -> None:
        """Computes calls that do not need each other."""
        wanted: dict[object, dict[object, tuple[Call, Groups]]] = {}
        for call, arrangement in placed:
            key = _key(call, arrangement)
            if key not in self._results:
                wanted.setdefault(_company(call, arrangement) or key, {})[key] = (call, arrangement)
        works = [self._work(list(each.values())) for each in wanted.values()]
        kinds = [
            [task for work in works for task in work.tasks if work.in_small_steps is small] for small in (False, True)
        ]
        threads.run(kinds, most=threads.cores() if self.frame.height >= _WORTH_THREADS else 1)
        for work, group in zip(works, wanted.values(), strict=True):
            for key, outputs in zip(group, work.results(), strict=True):
                self._present.update((id(values), presence) for values, presence in outputs)
                self._results[key] = tuple(values for values, _ in outputs)

    def _work(self, placed: Sequence[tuple[Call, Groups]]) -> "_Work":
        """What computes a call, or several that go together; their inputs are evaluated here."""
        call, arrangement = placed[0]
        function = CATALOGUE[call.function]
        if function.mode not in {"local", "recursion"}:
            kernel = self._kernel(function, call, arrangement)
            return _Work.of(lambda: [tuple(map(settled, kernel()))])
        constants = [calls.constants(each) for each, _ in placed]
        series = [self.full(self.evaluate(item, arrangement), arrangement) for item in calls.series(call)]
        observed = together(map(self.presence, series))
        settle = settled
        if function.mode == "recursion":
            settle = settled_recursion if observed is None and arrangement.is_one else settled
            compute = partial(_recur, function.kernel, constants)
        else:
            formulas = [
                CATALOGUE[each.function].kernel(*given) for (each, _), given in zip(placed, constants, strict=True)
            ]
            if observed is None and arrangement.is_one:
                return _Work.in_blocks(Evaluation(formulas, series))
            compute = partial(_evaluated, formulas)
        return _Work.of(lambda: [(settle(each),) for each in arrangement.apply(compute, series, observed)])

    def _kernel(self, function: Function, call: Call, arrangement: Groups) -> Callable[[], tuple[Values, ...]]:
        """What computes a call, given its arguments."""
        arguments = [
            item if isinstance(item, calls.Constant) else self.evaluate(item, arrangement)
            for item in calls.arguments(call)
        ]
        given: list[Any] = arguments
        match function.mode:
            case "window":
                return self._over_windows(function, arguments, arrangement)
            case "position":
                given = [
                    arrangement,
                    *(self.full(item, arrangement) if isinstance(item, np.ndarray) else item for item in arguments),
                ]
            case "clocked":
                given = [self._row_time(arrangement), *arguments]
            case "fitted":
                state = self.states.get(state_name(call, arrangement), {})
                given = [state, *(self.full(item, arrangement) for item in arguments)]
            case "row" | "local" | "recursion":
                pass
        return lambda: _several(function.kernel(*given))

    def _over_windows(
        self, function: Function, arguments: list[Values | calls.Constant], arrangement: Groups
    ) -> Callable[[], tuple[Values, ...]]:
        series = {
            index: self.full(item, arrangement) for index, item in enumerate(arguments) if isinstance(item, np.ndarray)
        }

        def kernel(*observed: Values) -> tuple[Values, ...]:
            filled = list(arguments)
            for index, values in zip(series, observed, strict=True):
                filled[index] = values
            return _several(function.kernel(*filled))

        observed = together(map(self.presence, series.values()))
        return lambda: arrangement.apply(kernel, list(series.values()), observed)

    def _load(self, series: pl.Series) -> Values:
        match kind_of(series.dtype):
            case "number":
                return series.cast(pl.Float64).to_numpy()
            case "time":
                return _instants(series).cast(pl.Float64).to_numpy()
            case "category":
                texts = series.cast(pl.String)
                distinct = texts.drop_nulls().unique(maintain_order=True).to_list()
                codes = [float(self._codes.setdefault(text, len(self._codes))) for text in distinct]
                return texts.replace_strict(distinct, codes, default=None, return_dtype=pl.Float64).to_numpy()


@dataclass(frozen=True, slots=True)
class _Work:
    """Calls that are computed together: their results are there once every task has run."""

    tasks: Sequence[threads.Task]
    results: Callable[[], list[tuple[tuple[Values, Presence], ...]]]
    """Of each call its outputs, and where each of them has values."""
    in_small_steps: bool = False
    """Whether the tasks ask for the interpreter's lock often."""

    @classmethod
    def of(cls, compute: Callable[[], list[tuple[tuple[Values, Presence], ...]]]) -> "_Work":
        """One task."""
        found: list[tuple[tuple[Values, Presence], ...]] = []

        def task() -> None:
            with _quiet():
                found.extend(compute())

        return cls([task], lambda: found)

    @classmethod
    def in_blocks(cls, evaluation: Evaluation) -> "_Work":
        """A task a block."""

        def task(start: int, stop: int) -> None:
            with _quiet():
                evaluation.compute(start, stop)

        tasks = [partial(task, start, stop) for start, stop in evaluation.blocks()]
        return cls(tasks, lambda: [(each,) for each in evaluation.results()], in_small_steps=True)


def state_name(call: Call, arrangement: Groups) -> str:
    """Under which name the state of a fitted function is kept: its canonical text and what it is grouped over."""
    return spell(call) + arrangement.label


def _instants(times: pl.Series) -> pl.Series:
    """In microseconds."""
    return times.cast(pl.Datetime("us")).to_physical()


def _quiet() -> np.errstate:
    """What cannot be computed becomes missing, without a warning; each thread has to say so."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


def _key(call: Call, arrangement: Groups) -> object:
    return CATALOGUE[call.function].kernel, call.arguments, id(arrangement)


def _company(call: Call, arrangement: Groups) -> object:
    """What calls have in common that are computed together; None for one that is computed by itself."""
    function = CATALOGUE[call.function]
    match function.mode:
        case "local":
            return calls.series(call), id(arrangement)
        case "recursion":
            return function.kernel, calls.series(call), id(arrangement)
        case _:
            return None


def _evaluated(formulas: Sequence[Local], *series: Values) -> tuple[Values, ...]:
    return tuple(values for values, _ in evaluate(formulas, series))


def _recur(kernel: Callable[..., Sequence[Values]], constants: Sequence[Any], *series: Values) -> tuple[Values, ...]:
    return tuple(kernel(*series, constants))


def _several(result: Values | tuple[Values, ...]) -> tuple[Values, ...]:
    return result if isinstance(result, tuple) else (result,)
