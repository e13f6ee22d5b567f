"""How a file is to be read, where its own look does not decide."""

from dataclasses import dataclass
from typing import Literal, get_args

from forecastle.data.encoding import read_encoding
from forecastle.errors import BadInput
from forecastle.types import is_storable

Duplicates = Literal["error", "first", "last"]
Decimal = Literal["auto", ",", "."]

#: Texts that mean "no value", compared without case and surrounding spaces.
MISSING_MARKERS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})

NO_TIME = "none"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Everything one can say about a file; what is left out is found out."""

    time: str | None = None
    """Time column, `DATE+CLOCK` for one in two columns, `none` for a table without; None looks for it."""
    keys: tuple[str, ...] = ()
    """Columns that tell several series in one table apart."""
    columns: tuple[str, ...] = ()
    """Names for all columns, in the order of the file; they replace a header line."""
    delimiter: str | None = None
    encoding: str | None = None
    """How the text of the file is encoded; None goes by its byte order mark, or takes it for UTF-8."""
    header: bool | None = None
    """Whether the first line names the columns; None decides by its look."""
    decimal: Decimal = "auto"
    """What stands before the decimals of numbers; the other sign and blanks may set their thousands apart."""
    missing: tuple[str, ...] = ()
    """Further texts that mean "no value"."""
    text: tuple[str, ...] = ()
    """Columns to keep as text, whatever they look like."""
    duplicates: Duplicates = "error"
    """Which of several rows with the same time and keys stays."""
    date_format: str | None = None
    """`D/M/Y`, `M/D/Y`, `Y/M/D` or a strftime pattern; None finds it out."""

    def __post_init__(self) -> None:
        if self.delimiter is not None and not _can_delimit(self.delimiter):
            expected = "one ASCII character that is no letter, digit or quote, or the word tab"
            raise BadInput.at("delimiter", expected=expected, found=self.delimiter)
        if self.encoding is not None:
            read_encoding(self.encoding)
        for field in ("time", "keys", "columns", "missing", "text"):
            for name in (value,) if isinstance(value := getattr(self, field) or (), str) else value:
                if not is_storable(name):
                    raise BadInput.at(field, expected="text without NUL characters", found=name)
        if self.decimal not in get_args(Decimal):
            raise BadInput.at("decimal", expected="a comma, a point or auto", found=self.decimal)
        if self.duplicates not in get_args(Duplicates):
            raise BadInput.at("duplicates", expected="first or last", found=self.duplicates)

    @property
    def markers(self) -> frozenset[str]:
        """All texts that mean "no value", in lower case."""
        return MISSING_MARKERS | {marker.strip().lower() for marker in self.missing}


def _can_delimit(text: str) -> bool:
    return text == "\t" or (
        len(text) == 1 and text.isascii() and text.isprintable() and not text.isalnum() and text != '"'
    )


def read_delimiter(text: str | None) -> str | None:
    r"""The delimiter as people type it: `tab` and `\t` are the tab character."""
    return "\t" if text is not None and text.lower() in {"tab", "\\t"} else text


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas; none in an empty text."""
    return tuple(name.strip() for name in text.split(",")) if text.strip() else ()
