"""The catalogue of functions as plain facts, for lists and documentation."""

from dataclasses import dataclass

from forecastle.errors import BadInput
from forecastle.features.functions import CATALOGUE
from forecastle.features.functions.declare import Count, Dates, Function, Parameter, Series


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """One parameter: what it takes, and its default as an expression spells it."""

    name: str
    kind: str
    default: str | None


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """One function of the expression language."""

    name: str
    family: str
    signature: str
    parameters: tuple[ParameterFacts, ...]
    doc: str
    example: str


def catalogue(family: str | None = None) -> tuple[FunctionFacts, ...]:
    """Every function, or those of one family.

    Raises:
        BadInput: there is no such family.
    """
    families = sorted({function.family for function in CATALOGUE.values()})
    if family is not None and family not in families:
        raise BadInput.at("family", expected=" | ".join(families), found=family)
    return tuple(_facts(function) for function in CATALOGUE.values() if family in {None, function.family})


def _facts(function: Function) -> FunctionFacts:
    parameters = tuple(
        ParameterFacts(name, _kind(parameter), None if parameter.default is None else f"{parameter.default}")
        for name, parameter in function.parameters.items()
    )
    return FunctionFacts(function.name, function.family, function.signature, parameters, function.doc, function.example)


def _kind(parameter: Parameter) -> str:
    match parameter:
        case Count(least=least, most=most):
            return f"whole number {least}-{most}"
        case Dates():
            return "dates or a time column"
        case Series(accepts="time"):
            return "time column"
        case Series(accepts="any"):
            return "series or category"
        case Series():
            return "series"
        case _:
            return "number"
