"""Documents as trees: what is text stays text, whatever it holds."""

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

from forecastle.errors import printable

#: What an element holds: text, elements, or nothing.
Content: TypeAlias = "str | Element | Iterable[Content] | None"

VERBATIM = frozenset({"script", "style"})
"""Elements whose content HTML does not unescape."""


def element(tag: str, *content: Content, **attributes: str | float | None) -> Element:
    """An element. A trailing underscore of an attribute's name goes, others become dashes; None leaves it out."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(_name(name), printable(value) if isinstance(value, str) else number(value))
    _append(made, content)
    return made


def number(value: float) -> str:
    """A coordinate, as short as a picture allows."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def document(*, language: str, head: Iterable[Element], body: Iterable[Element]) -> str:
    """A whole page of HTML.

    Raises:
        ValueError: the content of a style or script would end it early.
    """
    root = element("html", element("head", *head), element("body", *body), lang=language)
    for tag in VERBATIM:
        if any("</" in (found.text or "") for found in root.iter(tag)):
            raise ValueError(f"the content of <{tag}> would end it")
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _append(parent: Element, content: Content) -> None:
    if isinstance(content, str):
        text = printable(content)
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text
    elif isinstance(content, Element):
        parent.append(content)
    elif content is not None:
        for part in content:
            _append(parent, part)
