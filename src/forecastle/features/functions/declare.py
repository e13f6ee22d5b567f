"""How a function of the expression language is declared: parameters, documentation and one kernel.

The kernel never sees how a table is laid out. What it is given depends on the mode:

- `row`: arrays of any rows, element by element.
- `window`: one group's observed values, oldest first, nothing missing. The engine leaves rows with a missing input
  out and gives those rows a missing result.
- `local`: as `window`, but the kernel is given the constants only and returns a `windows.Local`: a formula for pieces
  of the series. The engine computes all that a plan asks of the same series together, so that they share what they can.
- `recursion`: as `window`, for all that a plan asks of the same series at once: after the series a list of constants,
  one tuple for each call, and one result for each. What is not finite in a result is followed by nothing finite.
- `clocked`: as `row`, after the time of the row.
- `position`: the rows of all groups, missing values as NaN, and `Rows` to look back with.
- `fitted`: as `row`, after the state that `fit` learned from the training rows.

A kernel is a formula: the engine runs it with floating-point warnings off and makes every result that is not finite
missing, so a division by zero needs no care.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]
State: TypeAlias = dict[str, float]
Mode: TypeAlias = Literal["row", "clocked", "window", "local", "recursion", "position", "fitted"]
SeriesKind: TypeAlias = Literal["number", "any", "time"]

LARGEST_WINDOW = 10_000
ROW_TIME = "row time"


@dataclass(frozen=True, slots=True)
class Series:
    """An expression. `default` names the column taken when the argument is left out."""

    default: str | None = None
    accepts: SeriesKind = "number"
    variadic: bool = False
    """Takes this and every further argument."""


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number written in the expression, usually of rows."""

    default: int | None = None
    least: int = 1
    most: int = LARGEST_WINDOW
    optional: bool = False
    """Left out of the canonical text at its default."""


@dataclass(frozen=True, slots=True)
class Real:
    """A number written in the expression."""

    default: float | None = None
    least: float = -1e300
    most: float = 1e300


@dataclass(frozen=True, slots=True)
class Dates:
    """One or more dates written as text, or a single time column."""

    default: None = None
    variadic: bool = True


Parameter: TypeAlias = Series | Count | Real | Dates


class Rows(Protocol):
    """Looks back from every row within its group, to rows of strictly earlier time only."""

    def back(self, values: Values, rows: int) -> Values:
        """The value `rows` rows before, NaN where there is none; an array of its own.

        Rows of one group at the same time are simultaneous: the count starts before the first of them.
        """
        ...

    def against(self, formula: np.ufunc, values: Values, rows: int) -> Values:
        """`formula` of each value and the one that `back` gives; an array of its own."""
        ...

    def last_before(self, values: Values) -> Values:
        """The last value that is not missing of an earlier time, NaN where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the expression language."""

    name: str
    family: str
    doc: str
    example: str
    mode: Mode
    parameters: Mapping[str, Parameter]
    kernel: Callable[..., Any]
    output: int | None = None
    """Which of the kernel's results, when it returns several."""
    past: bool = False
    """Reads rows of strictly earlier time only."""
    passes_kind: bool = False
    """The result is of the same kind as the first argument: a category stays one."""
    fit: Callable[..., State] | None = None

    @property
    def signature(self) -> str:
        """Name and parameters with their defaults."""
        return f"{self.name}({', '.join(map(_spell, self.parameters, self.parameters.values()))})"


Declarator: TypeAlias = Callable[[Callable[..., Any]], Function]


def row(example: str, **parameters: Parameter) -> Declarator:
    """Declares a function that works element by element."""
    return _declarator("row", example, parameters)


def clocked(example: str, **parameters: Parameter) -> Declarator:
    """Declares a function that works element by element and is given the time of the row first."""
    return _declarator("clocked", example, parameters)


def window(example: str, **parameters: Parameter) -> Declarator:
    """Declares a function over one group's observed values."""
    return _declarator("window", example, parameters)


def local(example: str, **parameters: Parameter) -> Declarator:
    """Declares a function over one group's last observed values."""
    return _declarator("local", example, parameters)


def recursion(example: str, **parameters: Parameter) -> Declarator:
    """Declares a function over one group's observed values that goes on from its own last result."""
    return _declarator("recursion", example, parameters)


def position(example: str, *, past: bool = False, passes_kind: bool = False, **parameters: Parameter) -> Declarator:
    """Declares a function that looks back by rows."""
    return _declarator("position", example, parameters, past=past, passes_kind=passes_kind)


def outputs(mode: Mode, named: Mapping[str, str], **parameters: Parameter) -> Callable[..., tuple[Function, ...]]:
    """Declares one function for each result of a kernel, `named` by name with its documentation."""

    def declare(kernel: Callable[..., Any]) -> tuple[Function, ...]:
        family = kernel.__module__.rpartition(".")[2]
        return tuple(
            Function(name, family, doc, _example(name, parameters), mode, parameters, kernel, output=index)
            for index, (name, doc) in enumerate(named.items())
        )

    return declare


def fitted(example: str, fit: Callable[..., State], **parameters: Parameter) -> Declarator:
    """Declares a function whose state is learned from the training rows."""
    return _declarator("fitted", example, parameters, fit=fit)


def _declarator(mode: Mode, example: str, parameters: Mapping[str, Parameter], **facts: Any) -> Declarator:
    def declare(kernel: Callable[..., Any]) -> Function:
        family = kernel.__module__.rpartition(".")[2]
        name = kernel.__name__.rstrip("_")
        doc = " ".join((inspect.getdoc(kernel) or "").split())
        return Function(name, family, doc, example, mode, parameters, kernel, **facts)

    return declare


def _example(name: str, parameters: Mapping[str, Parameter]) -> str:
    """A call that names the window and the first column, as far as they have no default of their own."""
    constants = [format(p.default, "g") for p in parameters.values() if isinstance(p, Count | Real) and p.default]
    series = [p.default for p in parameters.values() if isinstance(p, Series) and p.default != ROW_TIME]
    first = [name for name in series[:1] if name and len(series) == 1]
    return f"{name}({', '.join([*first, *constants])})"


def _spell(name: str, parameter: Parameter) -> str:
    if isinstance(parameter, Dates) or (isinstance(parameter, Series) and parameter.variadic):
        return f"{name}, ..."
    if parameter.default == ROW_TIME:
        return f"{name}=time of the row"
    return name if parameter.default is None else f"{name}={parameter.default}"
