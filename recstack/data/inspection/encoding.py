"""Which encoding a text file has, guessed from its bytes."""

import codecs
import re
from collections.abc import Callable
from typing import Final, NamedTuple

_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like the one of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_KANA = (0x3040, 0x30FF)
_HANGUL = (0xAC00, 0xD7A3)
_HAN = (0x4E00, 0x9FFF)
_WIDE = ((0x3000, 0x303F), (0xFF00, 0xFFEF))
_MANY: Final = 0.7
"""Share of the characters beyond ASCII that have to be of one script."""


class EncodingGuess(NamedTuple):
    """An encoding by Python's name, and what speaks for it."""

    name: str
    reason: str
    sure: bool
    """Whether no other encoding can be meant."""
    other: str | None = None
    """The next best, if it isn't sure."""
    example: str = ""
    """A word beyond ASCII, as this encoding reads it."""


def guess_encoding(data: bytes) -> EncodingGuess:
    """The encoding of text of which `data` is a part; the part may end inside a character."""
    for mark, name in _BOMS.items():
        if data.startswith(mark):
            return EncodingGuess(name, "the file begins with its byte order mark", True)
    if wide := _without_mark(data):
        return EncodingGuess(wide, "every second byte is zero", True)
    if _decodes(data, "utf-8"):
        beyond = not data.isascii()
        return EncodingGuess("utf-8", "all bytes are valid UTF-8" if beyond else "only ASCII was seen", beyond)
    first, second = sorted(_CANDIDATES, key=lambda name: -_score(data, name))[:2]
    text = data.decode(first, errors="replace")
    word = re.search(r"[^\W\d_]*[^\x00-\x7f\ufffd][^\W\d_]*", text)
    reason = "it is no UTF-8, and this fits its letters best"
    return EncodingGuess(first, reason, False, second, word.group()[:40] if word else "")


def decode(data: bytes, name: str) -> str:
    """Text of a part of a file; a cut character at its end and NULs are left out, a wrong byte becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    return decoder.decode(data, final=False).removeprefix("\ufeff").replace("\0", "")


def _decodes(data: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(data, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _without_mark(data: bytes) -> str | None:
    head = data[:2000]
    half = len(head) // 2
    if half < 4:
        return None
    if head[1::2].count(0) > _MANY * half and not head[0::2].count(0):
        return "utf-16-le"
    if head[0::2].count(0) > _MANY * half and not head[1::2].count(0):
        return "utf-16-be"
    return None


def _score(data: bytes, name: str) -> float:
    """Share of the characters beyond ASCII that are usual in the languages of this encoding; below 0 if it fails."""
    if not _decodes(data, name):
        return -1.0
    text = decode(data[:200_000], name)
    beyond = [character for character in text if character > "\x7f"]
    return _CANDIDATES[name](text, beyond) if beyond else 0.0


def _share(beyond: list[str], *ranges: tuple[int, int]) -> float:
    return sum(any(low <= ord(each) <= high for low, high in ranges) for each in beyond) / len(beyond)


def _western(text: str, beyond: list[str]) -> float:
    """Letters with accents stand alone among plain ones; no control characters."""
    if any("\x80" <= each <= "\x9f" for each in beyond):
        return 0.0
    runs = re.findall(r"[^\x00-\x7f]+", text)
    alone = sum(len(run) <= 2 for run in runs) / len(runs)
    return 0.9 * alone


def _windows(text: str, beyond: list[str]) -> float:
    """As `_western`, but a little less likely where both read the same."""
    return 0.99 * _western(text, beyond)


def _central(text: str, beyond: list[str]) -> float:
    """Polish, Czech, Hungarian: letters that Western Europe does not have."""
    return 0.95 * _western(text, beyond) * _share(beyond, (0x100, 0x17F), (0xC0, 0xFF)) * 0.95


def _cyrillic(text: str, beyond: list[str]) -> float:
    """Words of small Cyrillic letters."""
    words = re.findall(r"[\u0400-\u04ff]{3,}", text)
    small = sum(each.islower() for word in words for each in word[1:])
    return small / len(beyond) + 0.2 if words else 0.0


def _japanese(text: str, beyond: list[str]) -> float:
    kana = _share(beyond, _KANA)
    return _apart(text) * _share(beyond, _KANA, _HAN, *_WIDE) * (1.0 if kana > 0.1 else 0.4)


def _korean(text: str, beyond: list[str]) -> float:
    return 0.98 * _apart(text) * _share(beyond, _HANGUL)


def _chinese(text: str, beyond: list[str]) -> float:
    return 0.93 * _apart(text) * _share(beyond, _HAN, *_WIDE)


def _apart(text: str) -> float:
    """Share of the runs beyond ASCII that touch no Latin letter: "L閛n" is a wrong reading of "Léon"."""
    runs = re.findall(r"[A-Za-z]?[^\x00-\x7f]+[A-Za-z]?", text)
    return sum(not run[0].isascii() and not run[-1].isascii() for run in runs) / len(runs)


_CANDIDATES: Final[dict[str, Callable[[str, list[str]], float]]] = {
    "iso-8859-1": _western,
    "cp1252": _windows,
    "cp1250": _central,
    "cp1251": _cyrillic,
    "koi8-r": _cyrillic,
    "shift_jis": _japanese,
    "euc-jp": _japanese,
    "euc-kr": _korean,
    "gb18030": _chinese,
    "big5": _chinese,
}
