"""Writes random logs in the forms in which people have them, with what a reader should find in them."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import tempfile
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from people_cells import COMPRESSIONS, LETTERS, SEPARATORS, Row, cells_of, contents

COLUMNS = ["who", "what", "stars", "note", "at"]


@dataclass
class PeopleFile:
    """A log with its mapping, and what should come of it."""

    name: str
    data: bytes
    log: dict[str, Any]
    """Keys of `[interactions]`."""
    rows: list[Row]
    refused: str = ""
    """What the message must hold, where a key that is needed is left out; "" where the rows should be read."""
    what: dict[str, Any] = field(default_factory=dict)
    """The choices, for a failed test."""

    @property
    def mapping(self) -> dict[str, Any]:
        return {"interactions": self.log, "rating": {"min": 0, "max": 5000, "positive_from": 3}}

    def write(self, folder: Path) -> None:
        (folder / self.name).write_bytes(self.data)


def people_file(seed: int) -> PeopleFile:
    """The file of a seed."""
    rng = random.Random(seed)
    writer = rng.choice(["csv", "csv", "csv", "pandas", "duckdb", "json", "parquet"])
    texts, rows = contents(rng, words=writer != "parquet")
    return {"csv": _csv, "pandas": _pandas, "duckdb": _duckdb, "json": _json, "parquet": _parquet}[writer](
        rng, texts, rows
    )


def _csv(rng: random.Random, choices: dict[str, Any], rows: list[Row]) -> PeopleFile:
    separator, encoding = rng.choice(SEPARATORS), rng.choice(list(LETTERS))
    quoting = rng.choice(["minimal", "all", "escape"]) if len(separator) == 1 else "none"
    decimal = rng.choice([".", ","]) if separator not in ",|" else "."
    thousands = rng.choice(["", "", {".": ",", ",": "."}[decimal]]) if separator != "," or quoting != "none" else ""
    if separator == "spaces":
        choices["time_format"] = rng.choice(["seconds", "milliseconds", "iso", "nanoseconds"])
        choices["null"] = choices["null"] or "NULL"
    ends, header = rng.choice(["\n", "\r\n"]), rng.random() < 0.8
    lines = cells_of(rng, choices, rows, decimal, thousands)
    for line in lines:
        line[3] = _note(rng, encoding, quoting, separator)
    body = ([COLUMNS] if header else []) + lines
    if quoting == "none":
        text = "".join(_joined(rng, line, separator) + ends for line in body)
    else:
        text = _written(body, separator, quoting, ends)
    log = _log(choices, separator=separator, decimal=decimal)
    log |= {} if header else {"columns": COLUMNS}
    log |= {"thousands": thousands} if thousands else {}
    log |= {"quote": '"'} if separator == "\t" else {}
    log |= {"escape": "\\"} if quoting == "escape" else {}
    log |= {} if encoding in ("utf-8", "utf-8-sig", "utf-16") else {"encoding": encoding}
    what = {"writer": "csv", "separator": separator, "encoding": encoding, "quoting": quoting, "ends": ends, **choices}
    data = text.encode(encoding)
    file = _packed(rng, "log.txt", data, log, rows, what)
    return _without_a_key(rng, file, lines) if header else file


def _without_a_key(rng: random.Random, file: PeopleFile, lines: list[list[str]]) -> PeopleFile:
    """Now and then a key is left out without which nothing can be right."""
    if rng.random() > 0.15:
        return file
    key = rng.choice(["separator", "decimal", "time_format", "encoding"])
    text = "".join(line[3] for line in lines).encode(file.what["encoding"])
    if key == "encoding" and key in file.log and not text.isascii() and not file.what["encoding"].startswith("utf"):
        file.log = {name: value for name, value in file.log.items() if name != key}
        file.refused = "encoding = "
    if (
        key == "separator"
        and file.log["separator"] not in (",", "spaces")
        and not file.what["encoding"].startswith("utf-16-")
    ):
        file.log = {name: value for name, value in file.log.items() if name not in (key, "quote", "escape")}
        file.refused = "separator = "
    if key == "decimal" and file.log["decimal"] == "," and any("," in line[2] for line in lines):
        file.log = {name: value for name, value in file.log.items() if name not in (key, "thousands")}
        file.refused = "decimal = "
    if key == "time_format" and file.log["time_format"] in ("seconds", "milliseconds", "dd.MM.yyyy HH:mm:ss"):
        file.log = {name: value for name, value in file.log.items() if name != key}
        file.refused = "time_format = "
    return file


def _note(rng: random.Random, encoding: str, quoting: str, separator: str) -> str:
    letters = LETTERS[encoding] + "ab' 12"
    if quoting != "none":
        letters += '",;\n|\t' + ("" if quoting == "escape" else "\\")
    return (
        ("".join(rng.choice(letters) for _ in range(rng.randrange(1, 12))).strip() or "x").replace("  ", " ")
        if separator != "spaces"
        else rng.choice(LETTERS[encoding])
    )


def _written(body: list[list[str]], separator: str, quoting: str, ends: str) -> str:
    out = io.StringIO()
    options: dict[str, Any] = {"delimiter": separator, "lineterminator": ends}
    if quoting == "escape":
        options |= {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL}
    else:
        options |= {"quoting": csv.QUOTE_ALL if quoting == "all" else csv.QUOTE_MINIMAL}
    csv.writer(out, **options).writerows(body)
    return out.getvalue()


def _joined(rng: random.Random, line: list[str], separator: str) -> str:
    return (
        "".join(cell + (" " * rng.randrange(1, 4) if separator == "spaces" else separator) for cell in line[:-1])
        + line[-1]
    )


def _pandas(rng: random.Random, choices: dict[str, Any], rows: list[Row]) -> PeopleFile:
    choices["null"] = rng.choice(["", "NULL", "nan"])
    choices["time_format"] = "iso "
    encoding = rng.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    frame = pd.DataFrame(
        {
            "who": [row[0] for row in rows],
            "what": [row[1] for row in rows],
            "stars": [np.nan if row[2] is None else row[2] for row in rows],
            "note": [_note(rng, encoding, "minimal", ",") for _ in rows],
            "at": pd.to_datetime([row[3] for row in rows], unit="us"),
        }
    )
    sep = rng.choice([",", ";", "\t"])
    text = frame.to_csv(sep=sep, na_rep=choices["null"], index=rng.random() < 0.5, date_format="%Y-%m-%d %H:%M:%S")
    log = _log(choices, separator=sep, decimal=".")
    log |= {"encoding": encoding} if encoding == "cp1252" else {}
    log |= {"quote": '"'} if sep == "\t" else {}
    return _packed(
        rng, "log.csv", text.encode(encoding), log, rows, {"writer": "pandas", "encoding": encoding, **choices}
    )


def _duckdb(rng: random.Random, choices: dict[str, Any], rows: list[Row]) -> PeopleFile:
    del rng
    note = 'a "b", c'
    choices["time_format"] = "iso "
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE log (who VARCHAR, what VARCHAR, stars DOUBLE, note VARCHAR, "at" TIMESTAMP)')
        values = [
            (user, item, rating, note, datetime.fromtimestamp(at / 10**6, UTC).replace(tzinfo=None))
            for user, item, rating, at in rows
        ]  # type: ignore[operator]
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", values)
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            connection.execute(f"COPY log TO '{file.name}' (HEADER, DELIMITER ',')")
            data = Path(file.name).read_bytes()
    return PeopleFile(
        "log.csv", data, _log(choices, separator=",", decimal="."), rows, what={"writer": "duckdb", **choices}
    )


def _json(rng: random.Random, choices: dict[str, Any], rows: list[Row]) -> PeopleFile:
    choices["time_format"] = rng.choice(["seconds", "milliseconds", "iso"])
    plain = choices["kinds"]["user"] in ("numbers", "long", "longer", "negative", "with points")
    lines = []
    for (user, item, rating, _), cells in zip(rows, cells_of(rng, choices, rows, ".", ""), strict=True):
        at: Any = cells[4] if choices["time_format"] == "iso" else int(cells[4])
        shown = json.dumps({"what": item, "stars": rating, "note": "x\ny", "at": at}, ensure_ascii=rng.random() < 0.5)
        lines.append(f'{{"who": {user if plain else json.dumps(user)}, {shown[1:]}')
    data = ("\n".join(lines) + "\n").encode()
    log = _log(choices, separator=None, decimal=".")
    return _packed(rng, "log.json", data, log, rows, {"writer": "json", **choices})


def _parquet(rng: random.Random, choices: dict[str, Any], rows: list[Row]) -> PeopleFile:
    type_ = rng.choice(
        [pa.timestamp("ns"), pa.timestamp("us", tz="Europe/Berlin"), pa.timestamp("ms"), pa.timestamp("s")]
    )
    users: Any = pa.array([row[0] for row in rows])
    users = users.dictionary_encode() if rng.random() < 0.5 else users
    times = pa.array([row[3] for row in rows], pa.timestamp("us"))
    stars = pa.array([row[2] for row in rows], pa.float64())
    table = pa.table(
        {
            "who": users,
            "what": [row[1] for row in rows],
            "stars": stars.cast(rng.choice([pa.float32(), pa.float64(), pa.decimal128(12, 2)])),
            "at": times.cast(type_) if type_.tz is None else times.cast(pa.timestamp("us", "UTC")).cast(type_),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    log = {key: value for key, value in _log(choices, separator=None, decimal=".").items() if key != "time_format"}
    return PeopleFile(
        rng.choice(["log.parquet", "log.pq", "log.bin"]),
        out.getvalue(),
        log,
        rows,
        what={"writer": "parquet", **choices},
    )


def _log(choices: dict[str, Any], *, separator: str | None, decimal: str) -> dict[str, Any]:
    log = {
        "user": "who",
        "item": "what",
        "rating": "stars",
        "time": "at",
        "time_format": choices["time_format"].strip(),
    }
    log |= {"separator": separator} if separator is not None else {}
    log |= {"decimal": decimal}
    return log | ({"null": [choices["null"]]} if choices["null"] in ("unknown", "-") else {})


def _packed(
    rng: random.Random, name: str, data: bytes, log: dict[str, Any], rows: list[Row], what: dict[str, Any]
) -> PeopleFile:

    kind = rng.choice(COMPRESSIONS)
    if kind == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        data = out.getvalue()
    elif kind == "zst":
        data = pa.compress(data, codec="zstd", asbytes=True)
    elif kind:
        data = {"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(data)
    name = f"{name}.{kind}" if kind and rng.random() < 0.5 else name
    return PeopleFile(name, data, log, rows, what={**what, "compression": kind})
