"""Random contents of logs: ids, ratings and times of every kind, and how they are written in cells."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Row = tuple[str | None, str | None, float | None, int | None]
"""User, item, rating, epoch microsecond."""

LETTERS = {
    "utf-8": "éßжяあ漢",
    "utf-8-sig": "éßжяあ漢",
    "utf-16": "éßжяあ漢",
    "utf-16-le": "éßжяあ漢",
    "cp1252": "éßœ€ñ",
    "iso-8859-15": "éßœ€ñ",
    "mac_roman": "éßñ",
    "cp1251": "жяЩ",
    "koi8-r": "жяЩ",
    "shift_jis": "あ漢ソ表",
    "euc_jp": "あ漢ソ表",
    "gb18030": "漢字é",
    "euc_kr": "한글",
}
ID_KINDS: dict[str, Callable[[random.Random], str]] = {
    "numbers": lambda rng: str(rng.randrange(1, 4000)),
    "with zeros": lambda rng: f"{rng.randrange(1, 4000):06}",
    "long": lambda rng: str(10**18 + rng.randrange(4000)),
    "longer": lambda rng: str(10**24 + rng.randrange(4000)),
    "hex": lambda rng: f"{rng.randrange(16**8):08x}",
    "exponents": lambda rng: f"{rng.randrange(99):07}e{rng.randrange(9)}",
    "negative": lambda rng: str(-rng.randrange(1, 4000)),
    "words": lambda rng: rng.choice("abcxyz") + str(rng.randrange(400)),
    "with points": lambda rng: f"{rng.randrange(1, 4000)}.0",
    "cases": lambda rng: rng.choice(["Ab", "aB", "AB", "ab"]) + str(rng.randrange(9)),
}
TIMES: dict[str, Callable[[datetime], str]] = {
    "seconds": lambda time: str(int(time.timestamp())),
    "milliseconds": lambda time: str(int(time.timestamp()) * 10**3),
    "microseconds": lambda time: str(int(time.timestamp()) * 10**6),
    "nanoseconds": lambda time: str(int(time.timestamp()) * 10**9),
    "iso": lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso ": lambda time: time.strftime("%Y-%m-%d %H:%M:%S"),
    "iso  ": lambda time: time.astimezone(tz=None).replace(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    "dd.MM.yyyy HH:mm:ss": lambda time: time.strftime("%d.%m.%Y %H:%M:%S"),
    "%m/%d/%Y %I:%M:%S %p": lambda time: time.strftime("%m/%d/%Y %I:%M:%S %p"),
    "MMM d, yyyy HH:mm:ss": lambda time: f"{time:%b} {time.day}, {time:%Y %H:%M:%S}",
    "yyyyMMddHHmmss": lambda time: time.strftime("%Y%m%d%H%M%S"),
}
COMPRESSIONS = ["", "gz", "bz2", "xz", "zst", "zip"]
SEPARATORS = [",", ";", "\t", "|", "::", "\x01", "spaces"]
NULLS = ["", "NULL", "NaN", "None", "N/A", "\\N", "unknown", "-"]


def contents(rng: random.Random, *, words: bool) -> tuple[dict[str, Any], list[Row]]:
    """Choices, and rows as they are meant."""
    kinds = {"user": rng.choice(list(ID_KINDS)), "item": rng.choice(list(ID_KINDS))}
    time_format = rng.choice(list(TIMES)) if words else "iso"
    null = rng.choice(NULLS)
    made = []
    for _ in range(rng.randrange(30, 120)):
        time = datetime(1995, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(10**9))
        rating = None if rng.random() < 0.1 else rng.randrange(1, 4000) / 2
        user, item = (ID_KINDS[kinds[kind]](rng) for kind in ("user", "item"))
        made.append((user, item, rating, int(time.timestamp()) * 10**6))
    return {"kinds": kinds, "time_format": time_format, "null": null}, made


def cells_of(
    rng: random.Random, choices: dict[str, Any], rows: list[Row], decimal: str, thousands: str
) -> list[list[str]]:
    form = TIMES[choices["time_format"]]
    lines = []
    for user, item, rating, micros in rows:
        number = choices["null"] if rating is None else f"{rating:,.1f}" if thousands else f"{rating:.1f}"
        if rating is not None:
            number = number.replace(",", "T").replace(".", decimal).replace("T", thousands)
        lines.append([user, item, number, "", form(datetime.fromtimestamp(micros / 10**6, UTC))])
    return lines
