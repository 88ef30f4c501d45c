"""Cells of every kind become the ids, ratings and times that they stand for, or one line says what to write."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from people_tables import CATALOGUE, HEADER, LOG, RATED, SCALE, found, write

from recstack.errors import DataError

TIMED = {**LOG, "time": "at"}
NOON = datetime(2024, 3, 1, 12, 30, 15, tzinfo=UTC)


def lines(*rows: str) -> dict[str, bytes | str | pa.Table]:
    return {"log.csv": HEADER + "\n".join(rows) + "\n"}


@pytest.mark.parametrize(
    ("ids", "remark"),
    [
        (["1", "2", "30"], ""),
        (["1.0", "2", "30.000"], ""),
        (["9223372036854775807", "1", "2"], ""),
        (["00001", "1", "2"], "'00001' (log.csv, line 2) begins with a zero"),
        (["1", "7a1", "2"], "'7a1' (log.csv, line 3)"),
        (["00000001e1", "2e3", "5"], "'00000001e1'"),
        (["1", "-5", "2"], "'-5'"),
        (["1", "99999999999999999999999", "2"], "'99999999999999999999999'"),
        (["9007199254740993", "9007199254740992", "9007199254740994"], ""),
        (["Ab", "aB", "AB"], "'Ab'"),
        (["1.5", "2", "3"], "'1.5'"),
        (["0", "1", "2"], ""),
    ],
)
def test_ids_stay_what_they_are_and_are_words_unless_they_are_clearly_numbers(
    tmp_path: Path, ids: list[str], remark: str
) -> None:
    write(tmp_path, lines(*(f"{id_},x,1,1" for id_ in ids)))
    result = found(tmp_path)
    assert result.users == ids
    about_users = [each for each in result.remarks if "of users" in each]
    assert [remark in each for each in about_users] == ([True] if remark else [])
    if remark:
        assert 'write text_ids = ["user"] to say so' in about_users[0]


def test_a_few_ids_that_are_no_numbers_make_no_words_of_the_others(tmp_path: Path) -> None:
    write(tmp_path, lines(*(f"{user},1,1,1" for user in range(300)), "x1,1,1,1", "1e400,1,1,1"))
    assert not found(tmp_path).remarks
    result = found(tmp_path, text_ids=[])
    assert result.users == [*range(300), None, None]
    assert result.examples["null_id"] == (
        "log.csv, line 302: who 'x1' is no whole number; if the ids are words, write text_ids = [\"user\"] at the top"
        " of mapping.toml"
    )


def test_items_above_the_numbers_that_fit_are_words_in_both_tables(tmp_path: Path) -> None:
    write(tmp_path, lines("1,4294967296,1,1", "1,7,1,1"))
    write(tmp_path, {"items.csv": "id,name,tags\n7,Seven,\n4294967296,Large,\n"})
    (remark,) = found(tmp_path, items=CATALOGUE).remarks
    assert "the ids of items are read as words, because '4294967296'" in remark


@pytest.mark.parametrize("words", [None, ["-", "unknown"]])
def test_words_that_stand_for_nothing_are_nothing(tmp_path: Path, words: list[str] | None) -> None:
    blanks = ["NULL", "nan", "None", "N/A", "\\N", "", " "] if words is None else ["-", "unknown", "", " - "]
    write(tmp_path, lines(*(f"{blank},x,{blank},1" for blank in blanks), "a,x,5,1"))
    result = found(tmp_path, interactions={**RATED, "null": words} if words else RATED, rating=SCALE)
    assert result.users == [None] * len(blanks) + ["a"]
    assert result.ratings == [None] * len(blanks) + [5.0]


@pytest.mark.parametrize(
    ("cells", "keys", "numbers"),
    [
        (["4.5", "3", "1e1", ".5", "+2"], {}, [4.5, 3, 10, 0.5, 2]),
        (["4,5", "3", "0,25"], {"decimal": ","}, [4.5, 3, 0.25]),
        (["4,000.50", "12", "1,234,567"], {"thousands": ","}, [4000.5, 12, 1234567]),
        (["4.000,50", "12"], {"thousands": ".", "decimal": ","}, [4000.5, 12]),
        (["4 000,50", "12"], {"thousands": " ", "decimal": ","}, [4000.5, 12]),
        (["80%", "7.5 %"], {}, [80, 7.5]),
        (["like", "Dislike", "3"], {"values": {"like": 1, "dislike": 0}}, [1, 0, 3]),
        (["true", "FALSE"], {"values": {"true": 1, "false": 0}}, [1, 0]),
        ([""] * 100 + ["NULL"] * 100 + ["4"], {}, [None] * 200 + [4]),
    ],
)
def test_ratings_are_read_in_any_notation(
    tmp_path: Path, cells: list[str], keys: dict[str, Any], numbers: list[float | None]
) -> None:
    write(tmp_path, {"log.csv": "who;what;stars\n" + "".join(f"a;x;{cell}\n" for cell in cells)})
    own = {key: value for key, value in keys.items() if key != "values"}
    scale = {**SCALE, **({"values": keys["values"]} if "values" in keys else {})}
    assert found(tmp_path, interactions={**RATED, "separator": ";", **own}, rating=scale).ratings == numbers


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("4,5", 'holds .4,5., which is no number; write decimal = "," under .interactions'),
        ("4,000.50", 'write thousands = ","'),
        ("4.000.000,50", 'write decimal = "," and thousands = "."'),
        ("like", r"write values = \{like = 1\} under \[rating\]"),
        ("-Infinity", "check that this is the right column"),
    ],
)
def test_ratings_that_can_not_be_read_are_refused_with_the_key_to_write(
    tmp_path: Path, cell: str, message: str
) -> None:
    write(tmp_path, {"log.csv": f"who;what;stars\na;x;{cell}\n"})
    with pytest.raises(DataError, match=message):
        found(tmp_path, interactions={**RATED, "separator": ";"}, rating=SCALE)


def test_the_logarithm_of_plays_is_their_strength(tmp_path: Path) -> None:
    write(tmp_path, lines("a,x,0,1", "a,y,1,1", "a,z,1023,1"))
    scale = {"positive_from": 1, "transform": "log"}
    assert found(tmp_path, interactions=RATED, rating=scale).ratings == [0, 1, 10]


@pytest.mark.parametrize(
    ("time_format", "cells"),
    [
        ("seconds", ["1709296215", "1709296215.0", "1.709296215e9"]),
        ("milliseconds", ["1709296215000"]),
        ("microseconds", ["1709296215000000"]),
        ("nanoseconds", ["1709296215000000000"]),
        (
            "iso",
            [
                "2024-03-01T12:30:15Z",
                "2024-03-01 12:30:15",
                "2024-03-01 12:30:15 UTC",
                "2024-03-01T13:30:15+01:00",
                "2024-03-01T13:30:15+0100",
                "2024-03-01T13:30:15.000000000+01",
                "20240301T123015Z",
                "2024-3-1 12:30:15",
                "2024-03-01 13:30:15 Europe/Berlin",
                "2024-03-01T13:30:15[Europe/Berlin]",
            ],
        ),
        ("dd.MM.yyyy HH:mm:ss", ["01.03.2024 12:30:15", "1.3.2024 12:30:15"]),
        ("%d.%m.%Y %H:%M:%S", ["01.03.2024 12:30:15"]),
        ("MM/dd/yyyy h:mm:ss a", ["03/01/2024 12:30:15 PM"]),
        ("EEE MMM dd HH:mm:ss Z yyyy", ["Fri Mar 01 13:30:15 +0100 2024"]),
        ("yyyy-MM-dd'T'HH:mm:ss", ["2024-03-01T12:30:15"]),
    ],
)
def test_times_are_read_in_any_notation(tmp_path: Path, time_format: str, cells: list[str]) -> None:
    for column in (*([cell] for cell in cells), cells):  # alone, and mixed with others
        write(tmp_path, lines(*(f"a,x,1,{cell}" for cell in column)))
        assert found(tmp_path, interactions={**TIMED, "time_format": time_format}).times == [NOON] * len(column)


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("1968-05-01", datetime(1968, 5, 1, tzinfo=UTC)),
        ("1850", datetime(1850, 1, 1, tzinfo=UTC)),
        ("2023-02-30", None),
        ("12:30:15", None),
        ("late", None),
    ],
)
def test_what_is_no_date_is_no_time_and_old_dates_are(tmp_path: Path, cell: str, time: datetime | None) -> None:
    write(tmp_path, lines(f"a,x,1,{cell}", "a,x,1,2024-03-01T12:30:15Z"))
    assert found(tmp_path, interactions=TIMED).times == [time, NOON]


@pytest.mark.parametrize(
    ("cell", "time_format", "message"),
    [
        ("12:30", "iso", "a time of day without a date is no time"),
        ("1600000000000", "seconds", 'write time_format = "milliseconds"'),
        ("1600000000", "iso", 'write time_format = "seconds"'),
        ("31.12.2020", "iso", 'write time_format = "dd.MM.yyyy"'),
        ("2020-12-31", "seconds", 'write time_format = "iso"'),
        ("2020-12-31", "YYYY-MM-DD", 'YYYY is in no pattern of Spark that is read; write "yyyy-MM-dd"'),
        ("2020-12-31", "%Y-%m-%q", "Python knows no %q"),
        ("12:30", "HH:mm", "has no year, so it is no date"),
        ("2020-12-31", "yyyy-QQ", "QQ is in no pattern"),
    ],
)
def test_times_that_can_not_be_read_are_refused_with_the_key_to_write(
    tmp_path: Path, cell: str, time_format: str, message: str
) -> None:
    write(tmp_path, lines(f"a,x,1,{cell}"))
    with pytest.raises(DataError, match=message):
        found(tmp_path, interactions={**TIMED, "time_format": time_format})


def test_the_order_of_the_rows_can_be_their_time(tmp_path: Path) -> None:
    write(tmp_path, {"log/1.csv": HEADER + "a,x,1,1\na,y,1,1\n", "log/2.csv": HEADER + "a,z,1,1\n"})
    times = found(tmp_path, interactions={**LOG, "file": "log", "time": "row"}).times
    assert times == [datetime(1970, 1, 2, 0, 0, second, tzinfo=UTC) for second in range(3)]


@pytest.mark.parametrize(
    "at",
    [
        pa.array([NOON], pa.timestamp("ns")),
        pa.array([NOON], pa.timestamp("s", tz="America/New_York")),
        pa.array([NOON], pa.timestamp("us")).dictionary_encode(),
    ],
)
@pytest.mark.parametrize("name", ["log.parquet", "log.pq", "log"])
def test_types_of_parquet_are_read_for_what_they_are(tmp_path: Path, at: pa.Array, name: str) -> None:
    stars = pa.array([Decimal("4.50")])
    write(
        tmp_path,
        {name: pa.table({"who": pa.array(["a"]).dictionary_encode(), "what": [7.0], "stars": stars, "at": at})},
    )
    result = found(tmp_path, interactions={**RATED, "file": name, "time": "at"}, rating=SCALE)
    assert (result.users, result.items, result.ratings, result.times) == (["a"], ["7.0"], [4.5], [NOON])


def test_a_date_of_parquet_is_its_midnight_and_a_boolean_a_word(tmp_path: Path) -> None:
    table = pa.table({"who": [1, 2], "what": [2, 2], "stars": [True, False], "at": [date(2024, 3, 1)] * 2})
    write(tmp_path, {"log.parquet": table})
    keys = {**RATED, "file": "log.parquet", "time": "at"}
    result = found(tmp_path, interactions=keys, rating={**SCALE, "values": {"true": 1, "false": 0}})
    assert (result.ratings, result.times[0]) == ([1, 0], datetime(2024, 3, 1, tzinfo=UTC))
    with pytest.raises(DataError, match=r"values = \{true = 1, false = 0\}"):
        found(tmp_path, interactions=keys, rating=SCALE)


def test_fields_of_structs_and_of_objects_have_names_with_dots(tmp_path: Path) -> None:
    write(tmp_path, {"log.parquet": pa.table({"who": [{"id": 1}], "what": [2]})})
    assert found(tmp_path, interactions={**LOG, "file": "log.parquet", "user": "who.id"}).users == ["1"]
    with pytest.raises(DataError, match="column 'who' is a struct: name one of its fields, who.id"):
        found(tmp_path, interactions={**LOG, "file": "log.parquet"})
    write(tmp_path, {"log.json": '{"who": {"id": 12345678901234567890}, "what": "x"}\n'})
    assert found(tmp_path, interactions={**LOG, "file": "log.json", "user": "who.id"}).users == ["12345678901234567890"]


def test_json_lines_are_read_and_a_line_that_is_none_costs_itself(tmp_path: Path) -> None:
    good = ['{"who": "é\\n1", "what": 1.50, "stars": 4, "more": [1]}', "{'who': u'b', 'what': None, 'stars': True}"]
    write(tmp_path, {"log.json": "\n".join([*good, "{broken"]) + "\n"})
    keys = {**RATED, "file": "log.json"}
    result = found(tmp_path, interactions=keys, rating={**SCALE, "values": {"true": 1}}, accept_rejected=True)
    assert (result.users, result.items, result.ratings) == (["é\n1", "b"], ["1.50", None], [4, 1])
    assert result.lost == {"unreadable_line": 1}
    assert "log.json, line 3: no JSON object" in result.examples["unreadable_line"]


@pytest.mark.parametrize(
    ("text", "keys", "pairs"),
    [
        ("a\tN1-0 N2-1\nb\t\n", {"separator": "\t", "columns": ["who", "what"], "item_separator": " "}, "N1-0 N2-1"),
        ("0 12 13\n1 7\n2\n", {"separator": " ", "columns": ["who", "what..."]}, "0:12 0:13 1:7"),
        ("a;x|y\nb;z\n", {"separator": ";", "columns": ["who", "what"], "item_separator": "|"}, "a:x a:y b:z"),
    ],
)
def test_several_items_in_a_line_are_rows(tmp_path: Path, text: str, keys: dict[str, Any], pairs: str) -> None:
    write(tmp_path, {"log.csv": text})
    if "-" not in pairs:
        result = found(tmp_path, interactions={**LOG, **keys})
        assert " ".join(f"{user}:{item}" for user, item in zip(result.users, result.items, strict=True)) == pairs
        return
    pattern = {"item_pattern": "(?P<item>.+)-(?P<rating>[01])"}
    result = found(tmp_path, interactions={**LOG, **keys, **pattern}, rating={"max": 1, "positive_from": 1})
    assert (result.users, result.items, result.ratings) == (["a", "a"], ["N1", "N2"], [0, 1])


def test_kinds_of_events_have_weights_and_what_has_none_is_named(tmp_path: Path) -> None:
    write(tmp_path, lines("a,x,view,1", "a,y,buy,1", "a,z,scroll,1", *["b,x,view,1"] * 200, "b,y,wish list,1"))
    keys = {**LOG, "kind": "stars"}
    result = found(tmp_path, interactions=keys, kinds={"view": 1, "buy": 5, "scroll": 0})
    assert (result.items[:3], result.ratings[:3], len(result.users)) == (["x", "y", "x"], [1, 5, 1], 202)
    assert result.lost == {"unknown_kind": 1}
    assert result.examples["unknown_kind"] == (
        "log.csv, line 205: stars 'wish list' is none of [kinds]; add \"wish list\" = 1, or = 0 to leave it out"
    )


@pytest.mark.parametrize(
    ("cell", "genres"),
    [
        ("War|Drama", ["War", "Drama"]),
        ("(no genres listed)", None),
        ("nan", None),
        ("\\N", None),
        ("", None),
        ("[]", None),
        ("['Action', \"Rock'n'Roll\"]", ["Action", "Rock'n'Roll"]),
        ("[{'id': 18, 'name': 'Drama'}]", ["Drama"]),
        ("[Action, War]", ["Action", "War"]),
        ("War|NULL", ["War"]),
    ],
)
def test_genres_are_the_words_of_a_cell(tmp_path: Path, cell: str, genres: list[str] | None) -> None:
    write(tmp_path, {**lines("a,x,1,1"), "items.csv": f"id;name;tags\nx;X;{cell}\n"})
    assert found(tmp_path, items={**CATALOGUE, "separator": ";"}).genres == [genres]


def test_a_column_of_the_catalogue_that_no_cell_can_be_read_of_is_worth_a_word(tmp_path: Path) -> None:
    write(tmp_path, {**lines("a,x,1,1"), "items.csv": "id,name,tags,out\nx,X,,01-Jan-1995\n"})
    remarks = found(tmp_path, items={**CATALOGUE, "year": "out"}).remarks
    assert "items.csv, line 2: out '01-Jan-1995' is no whole number; no item has a out" in remarks
