"""Bytes of a text file as UTF-8, in any encoding that Python knows; every byte of the file is checked."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

from recstack.errors import DataError

_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like the one of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_REPLACED: Final = "\ufffd"
_CONTROLS: Final = "".join(map(chr, range(0x80, 0xA0)))


class Decoder:
    """Decodes one file. Line breaks of old Macs become those of Unix, and NUL characters are left out."""

    def __init__(self, name: str, encoding: str | None) -> None:
        """Decode the file of this name (for messages); without an encoding what its byte order mark says, or UTF-8."""
        self.name = name
        self.encoding = encoding
        self.undecodable: list[int] = []
        """Numbers of the lines that hold bytes which mean nothing in this encoding, ascending; from 1."""
        self.wrong_bytes = b""
        """Bytes of the first of these lines."""
        self.controls = 0
        """How many lines hold control characters that latin-1 makes of letters of Windows."""
        self.nuls = 0
        """NUL characters that were left out."""
        self._line = 1
        self._old_mac = False

    def utf8(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The text as UTF-8, a chunk at a time.

        Raises:
            DataError: the file is of UTF-16 without a byte order mark, which nobody has said.
        """
        iterator = iter(chunks)
        first = next(iterator, b"")
        mark = next((mark for mark in _MARKS if first.startswith(mark)), b"")
        if self.encoding is None:
            self.encoding = _MARKS.get(mark, "utf-8")
            self._refuse_wide(first if not mark else b"")
        self._old_mac = b"\n" not in first and b"\r" in first and self.encoding.lower() not in ("utf-16", "utf-32")
        decode = self._of_utf8 if codecs.lookup(self.encoding).name in ("utf-8", "ascii") else self._of_others
        begun = False
        for text in decode(_chain(first, iterator)):
            if not begun:
                text, begun = text.removeprefix(codecs.BOM_UTF8), True
            if b"\0" in text:
                self.nuls += text.count(b"\0")
                text = text.replace(b"\0", b"")
            if self._old_mac:
                text = text.replace(b"\r", b"\n")
            yield text

    def _of_utf8(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        left = b""
        for chunk in chunks:
            data = left + chunk
            left = b""
            if not data.isascii():
                cut = _incomplete(data)
                data, left = data[: len(data) - cut], data[len(data) - cut :]
                try:
                    data.decode("utf-8")
                except UnicodeDecodeError:
                    data = self._replaced(data, data.decode("utf-8", errors="replace"))
            self._count(data)
            yield data
        if left:
            self._mark([self._line], left)
            yield _REPLACED.encode()

    def _of_others(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        assert self.encoding is not None
        strict = codecs.getincrementaldecoder(self.encoding)()
        lenient = codecs.getincrementaldecoder(self.encoding)(errors="replace")
        latin = codecs.lookup(self.encoding).name == "iso8859-1"
        for chunk, last in _with_last(chunks):
            before = strict.getstate()
            try:
                text = strict.decode(chunk, last)
                data = text.encode("utf-8")
            except UnicodeDecodeError:
                lenient.setstate(before)
                text = lenient.decode(chunk, last)
                strict.setstate(lenient.getstate())
                data = self._replaced(chunk, text)
            except UnicodeEncodeError:  # halves of UTF-16 pairs
                data = self._replaced(chunk, text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
            if latin and not text.isascii():
                self.controls += sum(any(each in _CONTROLS for each in line) for line in text.split("\n"))
            self._count(data)
            yield data

    def _replaced(self, raw: bytes, text: str) -> bytes:
        """UTF-8 of a text with marks for what could not be decoded; remembers the lines."""
        lines = text.replace("\r", "\n").split("\n") if self._old_mac else text.split("\n")
        wrong = [self._line + number for number, line in enumerate(lines) if _REPLACED in line]
        first = raw.split(b"\r" if self._old_mac else b"\n")
        self._mark(wrong, first[wrong[0] - self._line] if wrong and len(first) == len(lines) else raw[:80])
        return text.encode("utf-8", errors="replace")

    def _mark(self, lines: list[int], raw: bytes) -> None:
        self.wrong_bytes = self.wrong_bytes or raw
        self.undecodable += [line for line in lines if line not in self.undecodable[-1:]]

    def _count(self, data: bytes) -> None:
        self._line += data.count(b"\r" if self._old_mac else b"\n")

    def _refuse_wide(self, first: bytes) -> None:
        for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            half = first[offset::2][:1000]
            if len(half) > 4 and half.count(0) > 0.7 * len(half) and not first[1 - offset :: 2][:1000].count(0):
                raise DataError(f'{self.name} is not UTF-8: every second byte is zero. Write encoding = "{name}"')


def _incomplete(data: bytes) -> int:
    """How many bytes at the end begin a character that is not complete: 0 to 3."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if length > back else 0
        if byte < 0x80:
            return 0
    return 0


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each chunk, and whether it is the last; then nothing more is expected."""
    for chunk in chunks:
        yield chunk, False
    yield b"", True
