"""What a call is given: constants, which its kernel takes as they are, and series, which are evaluated first."""

from collections.abc import Iterator

from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.calendar import microseconds
from forecastle.features.functions.declare import Count, Dates, Real
from forecastle.features.nodes import Call, Expression, Number, Text

Constant = int | float


def arguments(call: Call) -> Iterator[Constant | Expression]:
    """Its arguments in order."""
    parameters = list(CATALOGUE[call.function].parameters.values())
    for index, argument in enumerate(call.arguments):
        match parameters[min(index, len(parameters) - 1)], argument:
            case Count(), Number(value):
                yield int(value)
            case Real(), Number(value):
                yield value
            case Dates(), Text(value):
                yield microseconds(value) or 0.0
            case _:
                yield argument


def constants(call: Call) -> list[Constant]:
    """Its constants in order."""
    return [item for item in arguments(call) if isinstance(item, Constant)]


def series(call: Call) -> tuple[Expression, ...]:
    """Its series in order."""
    return tuple(item for item in arguments(call) if not isinstance(item, Constant))
