"""How times are written, guessed from cells."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

_SINCE: Final = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_UNITS: Final = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_SHARE: Final = 0.9
_MOST: Final = 0.5
"""Share of ISO 8601 from which a column is taken to be of it, in all of its forms."""
_CELLS: Final = 2_000
"""Cells that are looked at."""
_CLOCK: Final = r"(?P<clock>[T ]+\d{1,2}:\d{2}(?P<seconds>:\d{2})?(?P<fraction>[.,]\d+)?)?(?P<half> ?[AaPp]\.?[Mm])?"
_DATE: Final = re.compile(rf"(?P<a>\d{{1,4}})(?P<s>[-./])(?P<b>\d{{1,2}})(?P=s)(?P<c>\d{{2,4}}){_CLOCK}(?P<zone>.*)")
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})?")
_TEXTS: Final = (
    (re.compile(r"\d{2} \d{1,2}, \d{4}"), "MM d, yyyy"),  # Amazon's reviewTime
    (re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}"), "MMM d, yyyy"),
    (re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4}"), "d MMM yyyy"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2}:\d{2} [+-]\d{4} \d{4}"), "EEE MMM dd HH:mm:ss Z yyyy"),
)


class TimeGuess(NamedTuple):
    """A value of `time_format`."""

    format: str
    reason: str
    other: str | None = None
    """The other way to read the same cells, where they fit both."""
    sure: bool = True
    """False for numbers that are times only if the column's name says so: years, and seconds of the far future."""


def guess_time(cells: Sequence[str], now: datetime | None = None) -> TimeGuess | None:
    """How nine of ten cells are written, or half of them if it is ISO 8601; None if they are no times."""
    cells = cells[:_CELLS]
    if not cells:
        return None
    numbers = [float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?([eE]\+?\d+)?", cell)]
    if len(numbers) >= _SHARE * len(cells):
        return _epoch(numbers, now or datetime.now(UTC)) or _compact(cells) or _epoch(numbers, _LATEST) or _years(cells)
    if _fits(_ISO, cells, _MOST):
        return TimeGuess("iso", "dates as 2024-03-01 or 2024-03-01T12:30:00Z")
    for pattern, format_ in _TEXTS:
        if _fits(pattern, cells):
            return TimeGuess(format_, f"cells such as {cells[0]!r}")
    return _calendar(cells)


def in_unit(value: float, now: datetime | None = None) -> str | None:
    """The unit in which a number is a time between 1990 and tomorrow."""
    latest = (now or datetime.now(UTC)).timestamp() + 86_400
    return next((unit for unit, ticks in _UNITS.items() if _SINCE <= value / ticks <= latest), None)


def _epoch(numbers: list[float], now: datetime) -> TimeGuess | None:
    known = [number for number in numbers if number > 0]  # 0 and -1 stand for "unknown"
    units = [in_unit(number, now) for number in known]
    best = max(set(units), key=units.count, default=None)
    if best is None or units.count(best) < _SHARE * len(known):
        return None
    first = datetime.fromtimestamp(min(known) / _UNITS[best], UTC)
    return TimeGuess(best, f"read so, times from {first:%Y-%m-%d} on were seen", sure=now < _LATEST)


def _years(cells: Sequence[str]) -> TimeGuess | None:
    fits = _fits(re.compile(r"(18|19|20)\d{2}"), cells)
    return TimeGuess("yyyy", f"years such as {cells[0]}", sure=False) if fits else None


def _compact(cells: Sequence[str]) -> TimeGuess | None:
    pattern = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\d{6})?")
    if not _fits(pattern, cells):
        return None
    format_ = "yyyyMMdd" if len(cells[0]) == 8 else "yyyyMMddHHmmss"
    return TimeGuess(format_, f"cells such as {cells[0]!r}")


def _calendar(cells: Sequence[str]) -> TimeGuess | None:
    """Dates of three numbers, in any order, with or without a time of day."""
    found = [match for cell in cells if (match := _DATE.fullmatch(cell.strip()))]
    if len(found) < _SHARE * len(cells):
        return None
    one = found[0]
    day, month, other = "dd", "MM", False
    if any(len(match["a"]) == 4 for match in found):
        parts = ["yyyy", "MM", "dd"]
    else:
        firsts, seconds = [int(match["a"]) for match in found], [int(match["b"]) for match in found]
        if not _are_dates(firsts, seconds, [match["c"] for match in found]):
            return None
        padded = all(len(match["a"]) == len(match["b"]) == 2 for match in found)
        day, month = ("dd", "MM") if padded else ("d", "M")
        other = max(firsts) <= 12 and max(seconds) <= 12
        month_first = max(seconds) > 12 or (other and (bool(one["half"]) or one["s"] == "/"))
        parts = [month, day] if month_first else [day, month]
        parts.append("yyyy" if len(one["c"]) == 4 else "yy")
    clock = _clock(
        one, padded=all(len(re.split(r"[T ]+", match["clock"])[1]) >= 5 for match in found if match["clock"])
    )
    format_ = one["s"].join(parts) + clock
    turned = one["s"].join([parts[1], parts[0], parts[2]]) + clock if other else None
    return TimeGuess(format_, f"cells such as {one.group()!r}", turned)


def _are_dates(firsts: list[int], seconds: list[int], years: list[str]) -> bool:
    days = [1 <= max(pair) <= 31 and 1 <= min(pair) <= 12 for pair in zip(firsts, seconds, strict=True)]
    return sum(days) >= _SHARE * len(days) and all(len(year) in (2, 4) for year in years)


def _clock(match: re.Match[str], padded: bool) -> str:
    if not match["clock"]:
        return ""
    hours = (
        ("hh" if padded and match["clock"].strip()[:2].isdigit() else "h") if match["half"] else "HH" if padded else "H"
    )
    between = "'T'" if "T" in match["clock"] else " "
    fraction = f".{'S' * (len(match['fraction']) - 1)}" if match["fraction"] else ""
    half = f"{' ' if match['half'][0] == ' ' else ''}a" if match["half"] else ""
    return f"{between}{hours}:mm{':ss' if match['seconds'] else ''}{fraction}{half}"


def _fits(pattern: re.Pattern[str], cells: Sequence[str], share: float = _SHARE) -> bool:
    return sum(bool(pattern.fullmatch(cell.strip())) for cell in cells) >= share * len(cells)
