"""Blocks that every section is made of."""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from forecastle.registry.report.markup import Content, element


def section(title: str, *content: Content, note: str | None = None, kind: str = "") -> Element:
    """A card with a heading and a line of explanation."""
    head = [element("h2", title), element("p", note, class_="note") if note else None]
    return element("section", element("header", head), content, class_=f"card {kind}".strip())


def table(
    head: Sequence[Content], rows: Iterable[Sequence[Content]], *, numbers: bool = True, kind: str = ""
) -> Element:
    """A table whose first column names its rows; it scrolls by itself where the page is narrow."""
    cells = "number" if numbers else "text"
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            (element("td", cell, class_=cells) for cell in row[1:]),
        )
        for row in rows
    )
    headings = (
        element("th", cell, scope="col", class_=cells if position else None) for position, cell in enumerate(head)
    )
    made = element("table", element("thead", element("tr", headings)), element("tbody", body), class_=kind or None)
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label="table")


def facts(pairs: Iterable[tuple[str, Content]]) -> Element:
    """Names and values, those without a value left out."""
    rows = (
        element("div", element("dt", name), element("dd", value))
        for name, value in pairs
        if value is not None and value != ""
    )
    return element("dl", rows, class_="facts")


def chip(text: str, kind: str = "") -> Element:
    """A short remark in a frame."""
    return element("span", text, class_=f"chip {kind}".strip())


def code(text: str) -> Element:
    """A name or an expression."""
    return element("code", text)


def many(shown: Content, rest: Content, *, more: int, what: str) -> list[Content]:
    """Something long: its first part, and the rest behind a word."""
    if not more:
        return [shown]
    return [shown, element("details", element("summary", f"{more:,} more {what}"), rest)]
