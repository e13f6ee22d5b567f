"""Numbers and moments as people read them."""

import math
from datetime import datetime

NONE = "–"  # noqa: RUF001 - a dash, as long as it is
MINUS = "−"  # noqa: RUF001 - the sign, not the hyphen


def figure(value: float | None, digits: int = 4) -> str:
    """A number with four significant digits; whole thousands get separators."""
    if value is None:
        return NONE
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    size = abs(value)
    text = f"{value:,.0f}" if 1_000 <= size < 1e9 else f"{value:.{digits}g}"
    return text.replace("-", MINUS) if "e" not in text else _power(text)


def percent(value: float | None, *, signed: bool = False) -> str:
    """A share in percent, with one decimal where it matters."""
    if value is None:
        return NONE
    sign = "+" if signed else ""
    digits = 0 if abs(value) >= 0.9995 or abs(value * 100 - round(value * 100)) < 0.005 else 1
    return f"{value * 100:{sign}.{digits}f} %".replace("-", MINUS)


def count(value: int) -> str:
    """A whole number with separators."""
    return f"{value:,}"


def seconds(value: float) -> str:
    """A duration."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {value % 60:.0f} s"


def moment(text: str) -> str:
    """A bound of a window: a date if it is midnight, else date and time; row numbers stay what they are."""
    at = parsed(text)
    if at is None:
        return text
    midnight = (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
    return f"{at:%Y-%m-%d}" if midnight else f"{at:%Y-%m-%d %H:%M}"


def parsed(text: str) -> datetime | None:
    """The time in a bound of a window; None for a row number."""
    try:
        return None if text.isdigit() else datetime.fromisoformat(text)
    except ValueError:
        return None


def _power(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    raised = str(int(exponent)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
    return f"{mantissa}·10{raised}".replace("-", MINUS)
