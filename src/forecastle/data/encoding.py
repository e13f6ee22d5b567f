"""How the text of a file is encoded: as said, as marked, or as it looks, which is only good for advice."""

import codecs

from forecastle.errors import BadInput

#: What a byte order mark says, and the encoding that drops it.
_MARKS = {
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"),
    codecs.BOM_UTF32_LE: ("utf-32-le", "utf-32"),  # before the mark of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: ("utf-32-be", "utf-32"),
    codecs.BOM_UTF16_LE: ("utf-16-le", "utf-16"),
    codecs.BOM_UTF16_BE: ("utf-16-be", "utf-16"),
}
#: Python calls them encodings; no table is written in one.
_ODD = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
_PROBE_BYTES = 4096
_NUL = b"\0"
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f"))


def read_encoding(name: str) -> str:
    """The encoding as people name it, by its usual name.

    Raises:
        BadInput: there is none of that name.
    """
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        codec = None
    if codec is None or not codec._is_text_encoding or codec.name.replace("_", "-") in _ODD:  # noqa: SLF001 - has no other
        raise BadInput.at("encoding", expected="an encoding such as utf-8, cp1252, latin-1 or utf-16", found=name)
    return codec.name


def find_encoding(start: bytes, given: str | None, *, label: str) -> str:
    """The encoding of a file from its first bytes and what was said; UTF-8 when neither tells.

    Raises:
        BadInput: its byte order mark says something else than what was given.
    """
    marked = next((names for mark, names in _MARKS.items() if start.startswith(mark)), None)
    if marked is None:
        ordered = given in {"utf-16", "utf-32"}  # in some order of bytes, which the first tells
        return f"{given}-{'be' if start.startswith(_NUL) else 'le'}" if ordered else given or "utf-8"
    said, encoding = marked
    if given not in {None, said, encoding}:
        raise BadInput.at("encoding", expected=f"{said}, as the byte order mark of {label} says", found=given)
    return encoding


def advice(raw: bytes, at: int = 0) -> str | None:
    """What to do about bytes that are no UTF-8 text from `at` on, if they look like text in some other encoding."""
    looks = _looks_like(raw, at)
    if looks is None:
        return None
    name = "cp1252 or latin-1" if looks == "cp1252" else f"{looks} without a byte order mark"
    return f"it looks like {name}: say --encoding {looks}, or save the file as UTF-8"


def _looks_like(raw: bytes, at: int) -> str | None:
    start = max(0, at - _PROBE_BYTES) & ~1  # a character of UTF-16 begins at an even place
    near = raw[start : at + _PROBE_BYTES]
    even, odd = near[0::2], near[1::2]
    if odd.count(0) > 0.4 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and not odd.count(0):
        return "utf-16-be"
    is_text = near.translate(None, _CONTROLS) == near and _is_mostly_ascii(near) and raw[start:at].isascii()
    return "cp1252" if is_text and _can_be(near, "cp1252") else None


def _is_mostly_ascii(raw: bytes) -> bool:
    return sum(byte > 127 for byte in raw) <= 0.2 * len(raw)


def _can_be(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
