"""A text file as checked UTF-8, whatever Unicode encoding it has."""

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from forecastle.data.encoding import advice, find_encoding
from forecastle.data.errors import BadTable

SAMPLE_BYTES = 256 * 1024
WRONG_ENCODING = "wrong encoding: say which it is with --encoding NAME, or save the file as UTF-8"

_OTHER_FORMATS = {
    b"PK\x03\x04": "a ZIP archive or Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database",
}


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that holds text: where it is, what to call it in messages, how it is encoded."""

    path: Path
    label: str
    encoding: str
    size: int

    @classmethod
    def at(cls, path: Path, label: str, encoding: str | None = None) -> "TextFile":
        """Look at the first bytes.

        Raises:
            BadTable: it is empty, or a known format that is no text.
            BadInput: its byte order mark says something else than `encoding`.
        """
        with path.open("rb") as file:
            start = file.read(16)
        if not start:
            raise BadTable(label, expected="a table", found="an empty file")
        for magic, name in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise BadTable(label, expected="CSV, JSON lines or Parquet", found=name)
        return cls(path, label, find_encoding(start, encoding, label=label), path.stat().st_size)

    def sample(self) -> str:
        """The text of the first `SAMPLE_BYTES`, up to the last line end in it."""
        with self.path.open("rb") as file:
            head = Utf8Reader(file, self).read(SAMPLE_BYTES).decode()
        if self.size <= SAMPLE_BYTES:
            return head
        end = max(head.rfind("\n"), head.rfind("\r"))
        if end < 0:
            raise BadTable(self.label, line=1, expected=f"a line shorter than {SAMPLE_BYTES:,} bytes")
        return head[: end + 1]

    @contextmanager
    def lines(self) -> Iterator[TextIO]:
        """The decoded lines, ends kept.

        Raises:
            BadTable: while they are read, when the bytes are not text in the file's encoding.
        """
        with self.path.open(encoding=self.encoding, newline="") as file:
            try:
                yield file
            except UnicodeDecodeError:
                self._check()
                raise

    def _check(self) -> None:
        """Read all of it, to find the place of what is no text."""
        with self.utf8() as reader:
            while reader.read(SAMPLE_BYTES):
                pass

    @contextmanager
    def utf8(
        self,
        *,
        skip: int = 0,
        progress: Callable[[int], None] | None = None,
        watch: Callable[[bytes], None] | None = None,
    ) -> Iterator["Utf8Reader"]:
        """A reader of its UTF-8 bytes without the first `skip`.

        Args:
            skip: how many bytes to leave out.
            progress: told the bytes read of the file.
            watch: shown all that is read.
        """
        with self.path.open("rb") as file:
            yield Utf8Reader(file, self, skip=skip, progress=progress, watch=watch)


class Utf8Reader:
    """The part of the binary file protocol that Arrow's readers use; every byte is checked on its way.

    Raises:
        BadTable: from `read`, when the bytes are not text in the file's encoding.
    """

    closed = False

    def __init__(
        self,
        file: BinaryIO,
        text: TextFile,
        *,
        skip: int = 0,
        progress: Callable[[int], None] | None = None,
        watch: Callable[[bytes], None] | None = None,
    ) -> None:
        self._file, self._text, self._progress, self._watch = file, text, progress, watch
        self._decoder = codecs.getincrementaldecoder(text.encoding)()
        self._skip = skip
        self._read_bytes = 0
        self._lines = 0

    def read(self, size: int) -> bytes:
        """About `size` bytes of UTF-8; empty at the end."""
        while raw := self._file.read(size):
            text = self._decode(raw)
            data = text.encode()
            skipped, self._skip = data[self._skip :], max(0, self._skip - len(data))
            if self._progress is not None:
                self._progress(self._read_bytes)
            if skipped:
                if self._watch is not None:
                    self._watch(skipped)
                return skipped
        self._decode(b"", final=True)
        return b""

    def close(self) -> None:
        """The file belongs to who opened it."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """No: it is read once, forwards."""
        return False

    def _decode(self, raw: bytes, *, final: bool = False) -> str:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final)
        except UnicodeDecodeError as error:
            raise self._wrong_encoding(error, pending) from error
        if "\0" in text:
            line = self._lines + text[: text.index("\0")].count("\n") + 1
            hint = advice(raw)
            found = "a NUL byte" if hint else "a NUL byte: this is a binary file"
            raise BadTable(self._text.label, line=line, expected="text", found=found, hint=hint or "")
        self._lines += text.count("\n")
        self._read_bytes += len(raw)
        return text

    def _wrong_encoding(self, error: UnicodeDecodeError, pending: int) -> BadTable:
        name = self._text.encoding.removesuffix("-sig").upper()
        good = error.object[: error.start].decode(self._text.encoding, errors="replace")
        offset = self._read_bytes - pending + error.start
        byte = error.object[error.start : error.start + 1].hex()
        is_cut = error.reason == "unexpected end of data"
        hint = advice(error.object, error.start) if name == "UTF-8" and not is_cut else None
        return BadTable(
            self._text.label,
            line=self._lines + good.count("\n") + 1,
            expected=f"{name} text",
            found=f"byte 0x{byte} at offset {offset:,}",
            hint=hint or WRONG_ENCODING,
        )
