"""`init-mapping` guesses files, columns and scales, says why, and never writes over a mapping."""

import gzip
import json
from pathlib import Path

import pytest

from recstack.data.adapters.mapping import FILE, Mapping, read_mapping
from recstack.data.inspection.folders import init_mapping, look_into, proposal_for
from recstack.errors import DataError, UserError


def folder_with(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def log(head: str, row: str, rows: int = 60) -> str:
    """A log of `rows` rows; in `row` {u} is a user, {i} an item, {r} a rating 1..5, {t} a second."""
    lines = [row.format(u=n // 6 + 1, i=n % 7 + 10, r=n % 5 + 1, t=1_600_000_000 + 3600 * n) for n in range(rows)]
    return "\n".join([head] * bool(head) + lines) + "\n"


def mapped(folder: Path) -> Mapping:
    init_mapping(folder, None)
    return read_mapping(folder)


@pytest.mark.parametrize(
    ("head", "row", "user", "item"),
    [
        ("user_id,item_id,rating,timestamp", "{u},{i},{r},{t}", "user_id", "item_id"),
        ("timestamp,visitorid,itemid,stars", "{t},{u},{i},{r}", "visitorid", "itemid"),
        ("movieId,userId,score,when", "{i},{u},{r},{t}", "userId", "movieId"),
        ("Customer-No;Article-No;grade;date", "{u};{i};{r};{t}", "Customer-No", "Article-No"),
        ("review_id|member|isbn|stars|created", "9{u}{i}|{u}|{i}|{r}|{t}", "member", "isbn"),
    ],
)
def test_names_of_columns_tell_their_roles(tmp_path: Path, head: str, row: str, user: str, item: str) -> None:
    mapping = mapped(folder_with(tmp_path, log__csv=log(head, row)))
    found = mapping.interactions
    assert (found.user, found.item, found.time_format) == (user, item, "seconds")
    assert found.rating is not None and found.time is not None
    assert mapping.rating is not None and (mapping.rating.min, mapping.rating.max) == (1, 5)


def test_without_a_header_contents_tell_and_the_order_of_users_and_items_is_a_stated_guess(tmp_path: Path) -> None:
    mapping = mapped(folder_with(tmp_path, ratings__dat=log("", "{u}::{i}::{r}::{t}")))
    assert mapping.interactions.columns == ["user", "item", "rating", "time"]
    assert "exchange user and item if it is the other way" in (tmp_path / FILE).read_text()


def test_the_catalogue_and_the_users_are_the_files_whose_ids_the_log_has(tmp_path: Path) -> None:
    books = "isbn\tname\tsubjects\tprinted\n" + "".join(f"{n}\tBook {n}\tWar, Sea\t19{n}\n" for n in range(10, 17))
    people = "member;town;born\n" + "".join(f"{n};{'Ulm' if n % 2 else 'Bonn'};19{50 + n % 3}\n" for n in range(1, 11))
    folder_with(
        tmp_path, loans__csv=log("member;isbn;stars;day", "{u};{i};{r};{t}"), books__tsv=books, people__csv=people
    )
    mapping = mapped(tmp_path)
    assert mapping.interactions.file == "loans.csv" and mapping.interactions.separator == ";"
    assert mapping.items is not None and mapping.users is not None
    assert (mapping.items.file, mapping.items.item, mapping.items.title) == ("books.tsv", "isbn", "name")
    assert (mapping.items.genres, mapping.items.genre_separator, mapping.items.year) == ("subjects", ",", "printed")
    assert (mapping.users.file, mapping.users.attributes) == ("people.csv", ["town", "born"])


def test_addresses_of_pages_are_no_titles(tmp_path: Path) -> None:
    rows = "".join(f"N{n}\tsports\tHeadline {n % 6}\thttps://news.example/{n}.html\n" for n in range(10, 17))
    news = folder_with(tmp_path, news__tsv=rows, clicks__csv=log("user,item,time", "{u},N{i},{t}"))
    items = mapped(news).items
    assert items is not None and items.columns is not None
    assert items.title == items.columns[2]


def test_plays_are_a_strength_without_an_upper_end(tmp_path: Path) -> None:
    text = "user,artist,plays\n" + "".join(f"{n // 6},a{n % 7},{n * n}\n" for n in range(60))
    scale = mapped(folder_with(tmp_path, log__csv=text)).rating
    assert scale is not None and scale.max is None and scale.transform == "log"


def test_kinds_of_events_get_weights(tmp_path: Path) -> None:
    kinds = ("view", "add_to_cart", "purchase")
    text = "visitor,product,event\n" + "".join(f"{n // 6},p{n % 7},{kinds[n % 3]}\n" for n in range(60))
    assert mapped(folder_with(tmp_path, log__csv=text)).kinds == {"view": 1.0, "add_to_cart": 3.0, "purchase": 5.0}


def test_words_as_ratings_become_numbers(tmp_path: Path) -> None:
    text = "user,item,rating\n" + "".join(f"{n // 6},{n % 7},{'like' if n % 3 else 'dislike'}\n" for n in range(60))
    scale = mapped(folder_with(tmp_path, log__csv=text)).rating
    assert scale is not None and scale.values == {"like": 1.0, "dislike": 0.0}


def test_decimal_commas_and_dates_are_seen(tmp_path: Path) -> None:
    text = "user;item;rating;date\n" + "".join(
        f"{n // 6};{n % 7};{n % 5},5;{n % 28 + 1:02}.03.2024\n" for n in range(60)
    )
    mapping = mapped(folder_with(tmp_path, log__csv=text))
    assert (mapping.interactions.decimal, mapping.interactions.time_format) == (",", "dd.MM.yyyy")
    assert mapping.rating is not None and mapping.rating.max == 5


def test_json_lines_in_gzip(tmp_path: Path) -> None:
    rows = [
        {"user_id": f"u{n // 6}", "parent_asin": f"b{n % 7}", "rating": n % 5 + 1.0, "timestamp": 1.6e12 + n}
        for n in range(60)
    ]
    with gzip.open(tmp_path / "Beauty.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    found = mapped(tmp_path).interactions
    assert (found.file, found.user, found.item, found.time_format) == (
        "Beauty.jsonl.gz",
        "user_id",
        "parent_asin",
        "milliseconds",
    )


@pytest.mark.parametrize(
    ("column", "cell", "role"), [("rating", "100%", "rating"), ("stars", "****", "rating"), ("ts", "13:26:40", "time")]
)
def test_a_column_whose_cells_do_not_fit_its_name_is_mentioned(
    tmp_path: Path, column: str, cell: str, role: str
) -> None:
    text = f"user,item,{column}\n" + "".join(f"{n // 6},{n % 7},{cell}\n" for n in range(60))
    mapping = mapped(folder_with(tmp_path, log__csv=text))
    assert (mapping.interactions.rating, mapping.interactions.time) == (None, None)
    found = " ".join((tmp_path / FILE).read_text().replace("#", "").split())
    assert f'"{column}" may be the {role}, but its cells, such as {cell!r}, are no ' in found
    assert f'add {role} = "{column}" under [interactions]' in found


def test_ratings_of_which_some_are_no_numbers_and_times_of_several_iso_forms(tmp_path: Path) -> None:
    times = ("2024-03-01", "2024-03-01T10:00:00Z", "20240301T100000Z")
    text = "user,item,rating,ts\n" + "".join(
        f"{n // 6},{n % 7},{'five' if n % 3 == 0 else n % 5 + 1},{times[n % 3]}\n" for n in range(60)
    )
    mapping = mapped(folder_with(tmp_path, log__csv=text))
    assert (mapping.interactions.rating, mapping.interactions.time) == ("rating", "ts")


def test_several_items_in_a_cell(tmp_path: Path) -> None:
    text = "".join(
        f"{n}\tU{n % 9}\t11/{n % 9 + 1}/2019 9:05:58 AM\tN{n} N{n + 1}\tN{n}-1 N{n + 2}-0\n" for n in range(30)
    )
    mapping = mapped(folder_with(tmp_path, visits__tsv=text))
    assert mapping.interactions.item_pattern == "(?P<item>.+)-(?P<kind>[01])"
    assert mapping.kinds == {"0": 0.0, "1": 1.0}


def test_every_key_has_a_reason(tmp_path: Path) -> None:
    init_mapping(folder_with(tmp_path, log__csv=log("user,item,rating,ts", "{u},{i},{r},{t}")), None)
    lines = (tmp_path / FILE).read_text().splitlines()
    bare = [
        line for number, line in enumerate(lines) if " = " in line and "#" not in line and lines[number - 1][:1] != "#"
    ]
    assert bare == ["max = 5"]


def test_files_of_a_known_layout_name_it(tmp_path: Path) -> None:
    folder_with(tmp_path, events__csv=log("timestamp,visitorid,event,itemid", "{t},{u},view,{i}"))
    assert "init-mapping --like retailrocket" in proposal_for(look_into(tmp_path)).text()


def test_a_mapping_is_never_replaced(tmp_path: Path) -> None:
    folder_with(tmp_path, log__csv=log("user,item", "{u},{i}"), mapping__toml="mine")
    with pytest.raises(DataError, match=r"mapping\.toml is there already"):
        init_mapping(tmp_path, None)
    assert (tmp_path / FILE).read_text() == "mine"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no tables"),
        ({"README__md": "nothing"}, "has no tables"),
        ({"log__csv": "user,item,rating\n"}, "has no rows"),
        ({"log__csv": ""}, "log.csv is empty"),
        ({"log__csv": "height,width\n1.5,2.5\n1.25,3.5\n"}, "none of its columns .height, width. looks like the users"),
    ],
)
def test_what_can_not_be_guessed_is_said(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        init_mapping(folder_with(tmp_path, **files), None)
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nonesuch does not exist"):
        init_mapping(tmp_path / "nonesuch", None)


def test_an_unknown_layout_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no layout 'amazon'; choose one of amazon-2014"):
        init_mapping(tmp_path, "amazon")


def test_a_layout_whose_log_is_missing_says_what_it_needs(tmp_path: Path) -> None:
    folder_with(tmp_path, log__csv="1,2\n")
    with pytest.raises(DataError, match=r"has no file events\.csv, which retailrocket needs; it has log\.csv"):
        init_mapping(tmp_path, "retailrocket")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "log.json",
            b'[{"user": 1, "item": 2}]',
            r"is one JSON array: write one object a line, such as with jq -c '\.\[\]'",
        ),
        ("log.bin", bytes(range(1, 256)) * 40, "is no text, and of no format that recstack reads"),
        ("log.xls", b"\xd0\xcf\x11\xe0" + b"\1" * 600, "is an Excel workbook: save the sheet as CSV"),
    ],
)
def test_what_is_no_table_says_what_it_is(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        init_mapping(tmp_path, None)


def test_a_file_that_can_not_be_read_is_named_in_the_mapping(tmp_path: Path) -> None:
    folder_with(tmp_path, log__csv=log("user,item,rating,ts", "{u},{i},{r},{t}"))
    (tmp_path / "more.xls").write_bytes(b"\xd0\xcf\x11\xe0" + b"\1" * 600)
    assert "# Left out: " in proposal_for(look_into(tmp_path)).text()


def test_files_with_the_same_columns_are_parts_of_one_log(tmp_path: Path) -> None:
    text = log("user,item,rating,ts", "{u},{i},{r},{t}")
    folder_with(tmp_path, y2023__csv=text, y2024__csv=text)
    assert (
        "the same columns as y2023.csv. To read all of them, move them to one folder"
        in proposal_for(look_into(tmp_path)).text()
    )
