"""`check` says what is in the files, what would be rejected with an example, and what is suspicious."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recstack.data.adapters.mapping import FILE
from recstack.data.inspection import excerpt
from recstack.data.inspection.check import check_folder
from recstack.errors import DataError, UserError

MAPPING = """
[interactions]
file = "log.csv"
user = "user"
item = "item"
rating = "rating"
time = "ts"
time_format = "seconds"

[rating]
min = 1
max = 5
positive_from = 4
"""
ITEMS = '\n[items]\nfile = "items.csv"\nitem = "item"\ntitle = "title"\ngenres = "genres"\n'
NOW = int(datetime.now(UTC).timestamp())
Row = tuple[object, object, object, object]


def good(count: int = 200) -> list[Row]:
    return [(n // 10 + 1, n % 17 + 1, n % 5 + 1, 1_600_000_000 + 1801 * n) for n in range(count)]


def page(folder: Path, rows: list[Row], mapping: str = MAPPING, items: str | None = None, whole: bool = False) -> str:
    """The page of a check; its last line but one says whether the data can be used."""
    text = "".join(f"{','.join(str(cell) for cell in row)}\n" for row in rows)
    (folder / "log.csv").write_text(f"user,item,rating,ts\n{text}")
    (folder / FILE).write_text(mapping + (ITEMS if items is not None else ""))
    if items is not None:
        (folder / "items.csv").write_text(items)
    result = check_folder("csv", folder, whole=whole)
    found = "\n".join(result.lines())
    assert ("The data can be used" in found) == result.usable
    return found


def changed(change: Callable[[int, Row], Row]) -> list[Row]:
    return [change(number, row) for number, row in enumerate(good())]


def test_good_data_show_what_they_are(tmp_path: Path) -> None:
    found = page(tmp_path, good())
    assert "[interactions] log.csv: text" in found and "looks like: commas" in found and "a header line" in found
    assert "1     1     1       2020-09-13 12:26:40" in found
    assert "rows       200" in found and "users      20, 10.0 rows each; ids are numbers, 1 to 20" in found
    assert "items      17" in found and "ratings    1 to 5 on a scale from 1 to 5; 40 % are liked (4 or more)" in found
    assert "times      2020-09-13 12:26 to 2020-09-17" in found
    assert "No row of [interactions] would be rejected." in found
    assert "Look at this" not in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda n, r: (*r[:3], "soon") if n == 7 else r,
            ["null_timestamp", "line 9: ts 'soon' is no number of seconds"],
        ),
        (lambda n, r: (*r[:2], "?", r[3]) if n == 7 else r, ["null_rating", "line 9: rating '?' is no number"]),
        (
            lambda n, r: (*r[:2], 9, r[3]) if n == 7 else r,
            ["rating_out_of_range", "line 9: rating 9 is outside of the scale"],
        ),
        (lambda n, r: ("", *r[1:]) if n == 7 else r, ["null_id", "line 9: user is empty"]),
        (
            lambda n, r: (*r[:3], 0) if n == 7 else r,
            ["unknown_timestamp", "line 9: ts is 1970-01-01 00:00:00, which stands"],
        ),
        (lambda n, r: (*r[:3], NOW + 10**7) if n == 7 else r, ["future_timestamp", "which is still to come"]),
    ],
)
def test_a_rejected_row_has_a_reason_and_an_example(
    tmp_path: Path, change: Callable[[int, Row], Row], words: list[str]
) -> None:
    found = " ".join(page(tmp_path, changed(change)).split())
    assert "1 of 200 rows of [interactions] would be rejected (0.5 %)" in found
    assert [word for word in words if word not in found] == []


def test_more_than_one_row_in_a_hundred_has_to_be_accepted(tmp_path: Path) -> None:
    rows = changed(lambda n, r: (*r[:3], "soon") if n % 50 == 0 else r)
    assert "2.0 % of the rows of [interactions] would be rejected" in page(tmp_path, rows)
    assert "The data can be used" in page(tmp_path, rows, f"accept_rejected = true\n{MAPPING}")


def test_ratings_of_items_that_the_catalogue_lacks(tmp_path: Path) -> None:
    items = "item,title,genres\n" + "".join(f"{n:03},Film {n},War\n" for n in range(1, 18))
    found = page(tmp_path, good(), items=items)
    assert "orphan_item" in found and "item '1' is not in items.csv, which has '001'" in found


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (changed(lambda n, r: ("nan-user" if n % 3 else r[0], *r[1:])), "of the rows are of one user, 'nan-user'"),
        (changed(lambda n, r: (f"0{r[0]}" if n % 2 else r[0], *r[1:])), "differ from another one only in leading"),
        (changed(lambda n, r: (f"{'u' if n % 2 else 'U'}{r[0]}", *r[1:])), "capital letters, such as 'U1' and 'u1'"),
        (changed(lambda n, r: (*r[:2], 4, r[3])), "all ratings are 4: leave rating out"),
        (changed(lambda n, r: (*r[:2], 1 + n % 2, r[3])), "0 % of the rows count as liked"),
        (changed(lambda n, r: (*r[:2], 2 * n % 11, r[3])), "write min = 0 and max = 10 under [rating]"),
        (changed(lambda n, r: (*r[:3], 1_600_000_000)), "all times are 2020-09-13 12:26:40: leave time out"),
        (changed(lambda n, r: (*r[:3], 1_600_000_000 + n)), "all times lie within a day"),
        (changed(lambda n, r: (*r[:3], -2_000_000_000 if n == 3 else r[3])), "the times go from 1906-08-16"),
        (changed(lambda n, r: (*r[:3], 86_400 * (18_000 + n))), "the times are days without hours"),
        ([*good(), *good()], "200 rows repeat the user, item and time"),
        ([(n, n % 17 + 1, *row[2:]) for n, row in enumerate(good())], "100 % of the users have one row"),
        (good(30), "30 usable rows: too few"),
    ],
)  # fmt: skip
def test_what_is_suspicious_is_said(tmp_path: Path, rows: list[Row], sentence: str) -> None:
    assert sentence in " ".join(page(tmp_path, rows).split())


def test_seconds_read_as_milliseconds(tmp_path: Path) -> None:
    found = page(tmp_path, good(), MAPPING.replace('"seconds"', '"milliseconds"'))
    assert 'as seconds they would be of our days: write time_format = "seconds"' in " ".join(found.split())


def test_quotes_that_keep_no_rule_are_mentioned(tmp_path: Path) -> None:
    items = "item,title,genres\n" + "".join(f'{n},"The "odd" one {n}",War\n' for n in range(1, 18))
    found = " ".join(page(tmp_path, good(), items=items).split())
    assert "in 17 rows of [items] a quote is not closed or not doubled" in found


def test_a_rating_that_stands_for_none(tmp_path: Path) -> None:
    rows = changed(lambda n, r: (*r[:2], 0 if n % 2 else r[2], r[3]))
    found = page(tmp_path, rows, MAPPING.replace("min = 1", "min = 0"))
    assert "50 % of the ratings are 0: does it stand for 'no rating'?" in found


@pytest.mark.parametrize(
    ("genres", "sentence"),
    [
        ([f"a story of number {n}" for n in range(1, 101)], "there are 100 genres, such as"),
        (["War, Sea", "Sea, Love"] * 50, 'genres hold ",", such as'),
        ([""] * 100, "no item has a genre: is items.genres = 'genres' the right column?"),
    ],
)
def test_genres_that_are_none(tmp_path: Path, genres: list[str], sentence: str) -> None:
    items = "item,title,genres\n" + "".join(
        f'{n},"Film &amp; {n}","{each}"\n' for n, each in enumerate(genres, start=1)
    )
    found = " ".join(page(tmp_path, good(), items=items).split())
    assert sentence in found
    assert "titles hold HTML, such as 'Film &amp; 1'" in found


def test_an_encoding_that_was_not_said_is_named_and_the_lines_are_refused(tmp_path: Path) -> None:
    items = "item,title,genres\n" + "".join(f"{n},Léon {n},War\n" for n in range(1, 18))
    page(tmp_path, good(), items=items)
    (tmp_path / "items.csv").write_bytes(items.encode("iso-8859-1"))
    result = check_folder("csv", tmp_path)
    found = " ".join(" ".join(result.lines()).split())
    assert not result.usable
    assert (
        "items.csv is not UTF-8: write encoding = \"iso-8859-1\" under [items], in which 'Léon' is a word of it"
        in found
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user;item;rating;ts\n1;2;3;1600000000\n", ['looks like separator = ";", not ","', 'separator = ";"']),
        ("user,item,rating,ts\n1,2,good,1600000000\n", ["'good', which is no number", "values = {good = 1}"]),
        ("user,item,rating,ts\n1,2,3,1600000000000\n", ['write time_format = "milliseconds"']),
        ("user,item,stars,ts\n1,2,3,1600000000\n", ["has no column rating; it has user, item, stars, ts"]),
        ("", ["log.csv is empty"]),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_what_the_file_looks_like(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    page(tmp_path, good())
    (tmp_path / "log.csv").write_text(text)
    result = check_folder("csv", tmp_path)
    found = "\n".join(result.lines())
    assert not result.usable and "The data can't be used." in found
    assert [word for word in words if word not in found] == []


def test_a_file_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    page(tmp_path, good())
    (tmp_path / "log.csv").rename(tmp_path / "logs.csv")
    result = check_folder("csv", tmp_path)
    assert not result.usable
    assert "log.csv does not exist: interactions.file names it; the folder has logs.csv" in "\n".join(result.lines())


def test_attributes_of_users_are_shown_with_their_kind(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user,age,town\n" + "".join(f"{n},{20 + n},Ulm\n" for n in range(1, 21)))
    users = '\n[users]\nfile = "users.csv"\nuser = "user"\nattributes = ["age", "town"]\n'
    found = page(tmp_path, good(), MAPPING + users)
    assert "attributes of 20 users: age (numbers), town (words)" in found
    assert "No row of [users] would be rejected." in found


def test_without_a_mapping_one_is_proposed_and_used(tmp_path: Path) -> None:
    page(tmp_path, good())
    (tmp_path / FILE).unlink()
    result = check_folder("csv", tmp_path)
    found = "\n".join(result.lines())
    assert result.usable and not (tmp_path / FILE).exists()
    assert '    user = "user"' in found and "rows       200" in found


@pytest.fixture
def small_excerpts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SMALL": 40_000, "_HEAD": 8_000, "_PIECE": 1_000, "_ROWS": 1_000}.items():
        monkeypatch.setattr(excerpt, name, value)


def test_a_sample_reaches_the_end_of_a_large_file_and_says_about_which_line(
    tmp_path: Path, small_excerpts: None
) -> None:
    rows = good(20_000)
    rows[-3] = (*rows[-3][:3], "soon")
    found = page(tmp_path, rows)
    assert "a sample: 17 pieces of the file; --whole reads all" in found
    read = int(found.partition("rows       ")[2].split()[0].replace(",", ""))
    assert 500 < read < 5_000
    line = int(found.partition("log.csv, about line ")[2].split(":")[0].replace(",", ""))
    assert abs(line - 19_999) < 1_000
    whole = page(tmp_path, rows, whole=True)
    assert "rows       20,000" in whole and "log.csv, line 19,999: ts 'soon'" in whole


def test_a_sample_begins_where_a_record_begins_also_if_cells_hold_line_breaks(
    tmp_path: Path, small_excerpts: None
) -> None:
    rows = [(*row[:3], f'{row[3]},"nice film,\n1,2,3,4,5\n""10""/10"') for row in good(5_000)]
    page(tmp_path, [])
    text = "".join(f"{','.join(str(cell) for cell in row)}\n" for row in rows)
    (tmp_path / "log.csv").write_text(f"user,item,rating,ts,review\n{text}")
    result = check_folder("csv", tmp_path)
    found = "\n".join(result.lines())
    assert result.usable and "No row of [interactions] would be rejected." in found, found


def test_a_large_parquet_file_is_sampled_by_row_groups(tmp_path: Path, small_excerpts: None) -> None:
    rows = good(10_000)
    names = ["user", "item", "rating", "ts"]
    table = pa.table({name: [row[index] for row in rows] for index, name in enumerate(names)})
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=100)
    (tmp_path / FILE).write_text(MAPPING.replace("log.csv", "log.parquet"))
    found = "\n".join(check_folder("csv", tmp_path).lines())
    assert "a sample" in found and "rows       1,000" in found and "users      100" in found


def test_another_dataset_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the dataset csv; movielens_25m has a layout of its own"):
        check_folder("movielens_25m", tmp_path)
    with pytest.raises(DataError, match="nonesuch does not exist"):
        check_folder("csv", tmp_path / "nonesuch")
    with pytest.raises(DataError, match=r"log\.csv is a file, not the folder around it"):
        (tmp_path / "log.csv").write_text("")
        check_folder("csv", tmp_path / "log.csv")
