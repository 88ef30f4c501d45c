"""Patterns of times: those of Spark and of Python, both as Python's."""

import re
from typing import Final

from recstack.errors import DataError

ISO: Final = "iso"
TICKS: Final = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
"""Units of time formats that are numbers since 1970, in a second."""

_LETTERS: Final = {
    "yyyy": "%Y",
    "y": "%Y",
    "yy": "%y",
    "uuuu": "%Y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "LL": "%m",
    "dd": "%d",
    "d": "%d",
    "DDD": "%j",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "a": "%p",
    "E": "%a",
    "EE": "%a",
    "EEE": "%a",
    "EEEE": "%A",
    "Z": "%z",
    "X": "%z",
    "XX": "%z",
    "XXX": "%z",
    "x": "%z",
    "xx": "%z",
    "xxx": "%z",
    "z": "%Z",
    "VV": "%Z",
}
_KNOWN: Final = set("YymBbdjHIMSfpaAzZ%DTFRes")


def python_pattern(time_format: str, key: str) -> str:
    """The pattern as `datetime.strptime` takes it.

    Args:
        time_format: a pattern of Spark or Python.
        key: of the mapping, for messages.

    Raises:
        DataError: it is none, or has no year.
    """
    pattern = time_format if "%" in time_format else _of_spark(time_format, key)
    for directive in re.findall(r"%[-_0]?(.)", pattern):
        if directive not in _KNOWN:
            raise DataError(
                f'{key} = "{time_format}": Python knows no %{directive}; write, for example, "%d.%m.%Y %H:%M"'
            )
    pattern = re.sub(r"%[-_]", "%", pattern)
    for short, long in {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y", "%e": "%d"}.items():
        pattern = pattern.replace(short, long)
    if not re.search(r"%[Yys]", pattern):
        raise DataError(
            f'{key} = "{time_format}" has no year, so it is no date: if the log has a column with dates, name it as'
            " interactions.time; if not, leave time out"
        )
    return pattern


def _of_spark(time_format: str, key: str) -> str:
    out, rest = [], time_format
    while rest:
        if rest[0] == "'":
            end = rest.find("'", 1)
            if end < 0:
                raise DataError(f"{key} = {time_format!r}: a quote in it is not closed")
            out.append((rest[1:end] or "'").replace("%", "%%"))
            rest = rest[end + 1 :]
        elif rest[0].isalpha():
            letter = rest[0]
            run = re.match(f"{letter}+", rest)[0]  # type: ignore[index]
            out.append(_directive(run, time_format, key))
            rest = rest[len(run) :]
        else:
            out.append("" if rest[0] in "[]" else rest[0])
            rest = rest[1:]
    return "".join(out)


def _directive(run: str, time_format: str, key: str) -> str:
    if set(run) == {"S"}:
        return "%f"
    if run in _LETTERS:
        return _LETTERS[run]
    right = time_format.replace("Y", "y").replace("D", "d").replace("mm/", "MM/").replace("-mm-", "-MM-")
    usable = right != time_format and all(part in _LETTERS or set(part) == {"S"} for part in _runs(right))
    example = right if usable else "dd.MM.yyyy HH:mm"
    raise DataError(
        f'{key} = "{time_format}": {run} is in no pattern of Spark that is read; write'
        f' {"" if usable else "a pattern such as "}"{example}"'
    )


def _runs(pattern: str) -> list[str]:
    unquoted = re.sub(r"'[^']*'", "", pattern)
    return [match[0] for match in re.finditer(r"([A-Za-z])\1*", unquoted)]
