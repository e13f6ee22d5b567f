"""What the fields of a recipe may hold, for all its parts."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from forecastle.training import spans
from forecastle.training.algorithms import catalogue

MAX_TEXT = 2_000
MAX_NAME = 100
MOST_ROWS = 100_000_000
A_SPAN = "a number and y, mo, w, d or h, such as 3y, 18mo or 90d"


class Part(BaseModel):
    """A table of fields: closed, frozen, without surprises among numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


def _span(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("span", A_SPAN)
    if re.fullmatch(spans.PATTERN, value.strip()):
        return value
    number = re.fullmatch(r"([0-9]+)(y|mo|w|d|h)", value.strip())
    raise PydanticCustomError("span", f"1 to {spans.MOST:,} {number[2]}" if number else A_SPAN)


def _rows_or_span(value: object) -> object:
    if isinstance(value, str):
        return _span(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("rows_or_span", f"a whole number of rows, or {A_SPAN}")
    if not 0 <= value <= MOST_ROWS:
        raise PydanticCustomError("rows_or_span", f"0 to {MOST_ROWS:,} rows")
    return value


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Share = Annotated[
    float, Field(strict=True, ge=1e-6, lt=1), AfterValidator(lambda share: round(share, catalogue.DIGITS))
]
Coverage = Annotated[
    float, Field(strict=True, ge=0.01, le=0.999), AfterValidator(lambda share: round(share, catalogue.DIGITS))
]
CalibrationKind: TypeAlias = Literal["sigmoid", "isotonic"]
Chance = Annotated[
    float, Field(strict=True, ge=1e-8, le=1), AfterValidator(lambda share: round(share, catalogue.DIGITS))
]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST_ROWS)]
Switch = Annotated[bool, Field(strict=True)]
SpanText: TypeAlias = Annotated[str, Field(pattern=spans.PATTERN), BeforeValidator(_span)]
RowsOrSpan: TypeAlias = Annotated[Annotated[int, Field(ge=0, le=MOST_ROWS)] | SpanText, BeforeValidator(_rows_or_span)]
