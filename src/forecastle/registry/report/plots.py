"""The parts of a plot.

Its area goes from 0 to 100 in both directions and stretches with the page; text is HTML, so it keeps its size on a
telephone. Colours are classes: the style sheet knows light, dark and paper.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from forecastle.registry.report.markup import Content, element, number
from forecastle.registry.report.numbers import figure

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
FULL = 100.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Values along one side of the area, from `low` to `high`."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies, 0 to 100; what lies beyond is put on the border."""
        if self.high <= self.low:
            return FULL / 2
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0) * FULL

    def up(self, value: float) -> float:
        """The same measured from the top, as SVG does."""
        return FULL - self.at(value)


@dataclass(frozen=True, slots=True)
class Ticks:
    """Round values, equally far apart, that hold a range between them."""

    values: tuple[float, ...]

    @property
    def scale(self) -> Scale:
        """From the first to the last."""
        return Scale(self.values[0], self.values[-1])


def ticks(values: Iterable[float], *, most: int = 6) -> Ticks:
    """Round values around some values."""
    low, high = _range(values)
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (each * power for each in (*STEPS, 20.0)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most:
            break
    return Ticks(tuple(place * step for place in range(first, max(last, first + 1) + 1)))


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low <= max(abs(low), abs(high)) * 1e-9:
        wide = abs(high) / 2 or 1.0
        return low - wide, high + wide
    return low, high


def line(points: Sequence[tuple[float, float]], kind: str, title: str | None = None) -> Element:
    """A line through points of the area."""
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return element("path", _title(title), class_=f"line {kind}", d=path)


def dots(points: Sequence[tuple[float, float, str | None]], kind: str) -> list[Element]:
    """Round dots, each with what it says when pointed at: lines of no length with round ends keep their shape."""
    return [
        element("path", _title(title), class_=f"dot {kind}", d=f"M{number(x)} {number(y)}h0") for x, y, title in points
    ]


def box(x: float, y: float, width: float, height: float, kind: str, title: str | None = None) -> Element:
    """A filled rectangle."""
    return element("rect", _title(title), class_=kind, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0))


def level(y: float, kind: str, title: str | None = None) -> Element:
    """A line across the whole area."""
    return line([(0.0, y), (FULL, y)], kind, title)


def plot(
    shapes: Iterable[Content],
    *,
    says: str,
    y: Ticks,
    x: Sequence[str],
    y_title: str = "",
    x_title: str = "",
    kind: str = "",
) -> Element:
    """An area with its axes.

    Args:
        shapes: what is drawn, in the area's coordinates.
        says: what a reader who does not see it is told.
        y: of the vertical axis.
        x: labels along the lower side: its left end, any between, its right end.
        y_title: what the vertical axis measures.
        x_title: what the horizontal one does.
        kind: a class for the whole.
    """
    scale = y.scale
    grid = [level(scale.up(value), "grid") for value in y.values]
    area = element(
        "svg",
        grid,
        shapes,
        class_="area",
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        role="img",
        aria_label=says,
    )
    labels = [element("span", figure(value)) for value in reversed(y.values)]
    below = [element("span", label) for label in x]
    return element(
        "div",
        element("div", y_title, class_="y-title"),
        element("div", labels, class_="y", aria_hidden="true"),
        element("div", area, class_="frame"),
        element("div", below, class_="x", aria_hidden="true"),
        element("div", x_title, class_="x-title"),
        class_=f"plot {kind}".strip(),
    )


def legend(entries: Iterable[tuple[str, str]]) -> Element:
    """What each kind of line or dot is."""

    def key(kind: str) -> Element:
        shape = (
            box(0.0, 2.0, 24.0, 8.0, kind)
            if kind.startswith("fill")
            else element("path", class_=f"line {kind}", d="M0 6h24")
        )
        if kind.startswith("spot"):
            shape = element("path", class_=f"dot {kind}", d="M12 6h0")
        return element("svg", shape, class_="key", viewBox="0 0 24 12", aria_hidden="true")

    return element("ul", (element("li", key(kind), label) for kind, label in entries), class_="legend")


def bar(share: float, kind: str) -> Element:
    """A bar within a table's cell, as long as its share of the cell."""
    filled = box(0.0, 0.0, min(max(share, 0.0), 1.0) * FULL, 10.0, kind)
    return element("svg", filled, class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def _title(text: str | None) -> Element | None:
    return None if text is None else element("title", text)
