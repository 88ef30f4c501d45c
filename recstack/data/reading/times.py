"""Cells as times in UTC: numbers since 1970, ISO 8601, or a pattern. A time of day alone is none."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack.data.inspection.times import guess_time
from recstack.data.reading.cells import Read, is_number, mask, text_of, without_null_words
from recstack.data.reading.numbers import numbers_of
from recstack.data.reading.time_patterns import ISO, TICKS, python_pattern
from recstack.data.timestamps import EARLIEST
from recstack.errors import DataError

MICROSECONDS: Final = pa.timestamp("us", tz="UTC")

_LATEST: Final = 4_102_444_800
"""2100-01-01: numbers after it are of another unit."""
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PLAIN: Final = rf"{_DATE}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)?)?$"
_ZONED: Final = (
    rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)? ?(Z|z|UTC|GMT|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
)
_OTHER: Final = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?)?)?\s*(.*)"
)
_BASIC: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(?:[.,](\d+))?)?(.*)")
_QUICK: Final = re.compile(r"(?:[^%]|%[YmdHMS%])*")
"""Patterns that Arrow reads as Python does."""


class TimeReader:
    """Reads the cells of a column in one format."""

    def __init__(self, time_format: str, null_words: tuple[str, ...], decimal: str = ".") -> None:
        """Read times of this format.

        Raises:
            DataError: there is no such format.
        """
        self.format, self._null_words, self._decimal = time_format, null_words, decimal
        is_pattern = time_format not in (ISO, *TICKS)
        self._pattern = python_pattern(time_format, "interactions.time_format") if is_pattern else None

    @property
    def wanted(self) -> str:
        """What a cell should be, for messages."""
        if self.format in TICKS:
            return f"number of {self.format} since 1970, from 1840 to 2100"
        return f"time of the format {self.format!r} (interactions.time_format)"

    def read(self, cells: pa.Array, column: str) -> Read:
        """Times in microseconds, UTC.

        Raises:
            DataError: the column is of a type that holds no times, or of numbers without a unit.
        """
        type_ = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
        if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
            return Read.all_of(_utc(cells.cast(type_)))
        if pa.types.is_time(type_) or pa.types.is_duration(type_):
            raise DataError(
                f"column {column!r} holds times of day, without a date: name a column with dates, or leave time out"
            )
        if self.format in TICKS:
            return self._of_numbers(cells)
        if is_number(type_) and not (self._pattern and pa.types.is_integer(type_)):
            units = '", "'.join(TICKS)
            raise DataError(f'column {column!r} holds numbers: set interactions.time_format to "{units}"')
        text = without_null_words(text_of(cells), self._null_words)
        parse = _iso if self._pattern is None else self._by_pattern
        return Read.of(parse(text), text)

    def hint(self, wrong: Sequence[str]) -> str:
        """What to write so that these cells are times."""
        if all(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?", cell) for cell in wrong):
            return "a time of day without a date is no time: name a column with dates, or leave interactions.time out"
        guess = guess_time([cell for cell in wrong if cell])
        if guess is None or guess.format == self.format:
            return "if there are no times, leave interactions.time out"
        other = f' (or "{guess.other}")' if guess.other else ""
        return f'write time_format = "{guess.format}"{other} under [interactions]'

    def _of_numbers(self, cells: pa.Array) -> Read:
        ticks = TICKS[self.format]
        numbers = numbers_of(cells, self._null_words, decimal=self._decimal)
        whole = _whole(cells, numbers.text)
        seconds = pc.fill_null(numbers.values, np.nan).to_numpy(zero_copy_only=False) / ticks
        sane = (seconds >= EARLIEST) & (seconds <= _LATEST)
        micros = np.where(sane, seconds, 0) * 1e6
        values = np.where(sane, np.round(micros), 0).astype(np.int64)
        if whole is not None:
            exact = whole * (10**6 // ticks) if ticks <= 10**6 else whole // (ticks // 10**6)
            values = np.where(sane, exact, 0)
        times_read = pa.array(values, pa.int64(), mask=~sane).cast(MICROSECONDS)
        wrong = ~sane & mask(pc.is_valid(numbers.text))
        return Read(times_read, wrong, numbers.text)

    def _by_pattern(self, text: pa.Array) -> pa.Array:
        assert self._pattern is not None
        pattern = self._pattern
        if not _QUICK.fullmatch(pattern):
            return _each(text, lambda cell: _strptime(cell, pattern))
        found = pc.strptime(text, format=pattern, unit="s", error_is_null=True)
        exact = mask(pc.equal(pc.strftime(found, format=pattern), text))  # Arrow makes March 1 of February 30
        return _merged(
            found.cast(pa.timestamp("us")).cast(MICROSECONDS), exact, text, lambda cell: _strptime(cell, pattern)
        )


def _iso(text: pa.Array) -> pa.Array:
    plain, zoned = (mask(pc.match_substring_regex(text, pattern)) for pattern in (_PLAIN, _ZONED))
    if plain.all() or zoned.all():
        try:
            return _cast(text, zoned=bool(zoned.all()))
        except pa.ArrowInvalid:  # 2023-02-30
            return _each(text, _iso_cell)
    if plain.any() or zoned.any():
        parts = np.full(len(text), 0, np.int64)
        known = np.zeros(len(text), np.bool_)
        for where, is_zoned in ((plain, False), (zoned, True)):
            if where.any():
                found = _iso_part(text.filter(pa.array(where)), is_zoned)
                parts[where] = pc.fill_null(found.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
                known[where] = mask(pc.is_valid(found))
        found = pa.array(parts, mask=~known).cast(MICROSECONDS)
        return _merged(found, known | plain | zoned, text, _iso_cell)
    return _each(text, _iso_cell)


def _iso_part(text: pa.Array, zoned: bool) -> pa.Array:
    try:
        return _cast(text, zoned=zoned)
    except pa.ArrowInvalid:
        return _each(text, _iso_cell)


def _cast(text: pa.Array, *, zoned: bool) -> pa.Array:
    text = pc.replace_substring(text, ",", ".")
    if mask(pc.match_substring(text, ".")).any():
        text = pc.replace_substring_regex(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    if zoned:
        text = pc.replace_substring_regex(text, r" ?(UTC|GMT|z)$", "Z")
        text = pc.replace_substring_regex(text, r" ([+-])([0-9:]+)$", r"\1\2")
        return text.cast(MICROSECONDS)
    return text.cast(pa.timestamp("us")).cast(MICROSECONDS)


def _utc(times: pa.Array) -> pa.Array:
    """Timestamps and dates of Parquet; without a zone they are UTC."""
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("s"))
    if times.type.tz is None:
        return times.cast(pa.timestamp("us"), safe=False).cast(MICROSECONDS)
    return times.cast(MICROSECONDS, safe=False)


def _whole(cells: pa.Array, text: pa.Array) -> np.ndarray | None:
    """Cells as int64 if all are whole numbers, so that no digit is lost."""
    try:
        numbers = (cells if pa.types.is_integer(cells.type) else text).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False))


def _merged(found: pa.Array, known: np.ndarray, text: pa.Array, parse: Callable[[str], datetime | None]) -> pa.Array:
    """The times that are known, and the others parsed one by one."""
    rest = ~known & mask(pc.is_valid(text))
    if not rest.any():
        return pc.if_else(pa.array(known), found, pa.scalar(None, MICROSECONDS))
    parsed = _each(pc.if_else(pa.array(rest), text, pa.scalar(None, pa.string())), parse)
    return pc.if_else(pa.array(known), found, parsed)


def _each(text: pa.Array, parse: Callable[[str], datetime | None]) -> pa.Array:
    """Each different cell by a function of Python; null where it returns None."""
    encoded = text.dictionary_encode()
    return pa.array([parse(cell) for cell in encoded.dictionary.to_pylist()], MICROSECONDS).take(encoded.indices)


def _strptime(cell: str, pattern: str) -> datetime | None:
    try:
        found = datetime.strptime(cell, pattern)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _iso_cell(cell: str) -> datetime | None:
    """Years, months, single digits, names of zones, and the basic format without hyphens."""
    match = _BASIC.fullmatch(cell) or _OTHER.fullmatch(cell)
    if match is None:
        return None
    *numbers, fraction, zone = match.groups()
    if zone and numbers[3] is None:
        return None
    year, month, day, hour, minute, second = (int(each) if each else 0 for each in numbers)
    micros = int((fraction or "")[:6].ljust(6, "0"))
    try:
        found = datetime(year, month or 1, day or 1, hour, minute, second, micros)
        return _in_zone(found, zone).astimezone(UTC)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        return None


def _in_zone(local: datetime, zone: str) -> datetime:
    if offset := re.fullmatch(r"([+-])(\d{2}):?(\d{2})?", zone):
        minutes = 60 * int(offset[2]) + int(offset[3] or 0)
        return local.replace(tzinfo=timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes)))
    name = re.sub(r"^\[|\]$", "", zone)
    return local.replace(tzinfo=UTC if name in ("", "Z", "z", "UTC", "GMT") else ZoneInfo(name))
