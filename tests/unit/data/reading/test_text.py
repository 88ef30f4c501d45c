"""Text of every kind is divided into the cells that its writer meant, or one line says which key is missing."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from people_tables import CATALOGUE, HEADER, RATED, SCALE, found, write

from recstack.errors import DataError

ROWS = "a,x,5,2024-03-01\nb,y,4,2024-03-02\n"
LOG = {"log.csv": HEADER + ROWS}


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("encoding", "declared", "title"),
    [
        ("utf-8", False, "Amélie"),
        ("utf-8-sig", False, "Amélie"),
        ("utf-16", False, "千と千尋"),
        ("utf-32", False, "千と千尋"),
        ("utf-16-be", True, "千と千尋"),
        ("cp1252", True, "Ocean’s “11” €"),
        ("iso-8859-2", True, "Příběh"),
        ("cp1251", True, "Солярис"),
        ("koi8-r", True, "Солярис"),
        ("shift_jis", True, "千と千尋 表ソ"),
        ("gb18030", True, "霸王别姬"),
        ("big5", True, "臥虎藏龍"),
        ("mac_roman", True, "Amélie"),
    ],
)
def test_any_encoding_is_read(tmp_path: Path, encoding: str, declared: bool, title: str) -> None:
    write(tmp_path, {**LOG, "items.csv": f"id,name,tags\nx,{title},a|b\ny,Dune,\n".encode(encoding)})
    result = found(tmp_path, items={**CATALOGUE, **({"encoding": encoding} if declared else {})})
    assert result.titles == [title, "Dune"]


@pytest.mark.parametrize("before", [1, 40, 300_000], ids=["early", "later", "after the first chunks"])
def test_bytes_of_another_encoding_are_never_read_as_something_else(tmp_path: Path, before: int) -> None:
    lines = [f"{number},Title {number},war" for number in range(before)] + ["999999,Amélie,war", "x,Léon,war"]
    write(tmp_path, {**LOG, "items.csv": ("id,name,tags\n" + "\n".join(lines) + "\n").encode("latin-1")})
    message = rf"undecodable_line: 2, such as items.csv, line {before + 2:,}: .*write encoding = .*Amélie"
    with pytest.raises(DataError, match=message):
        found(tmp_path, items=CATALOGUE)
    kept = found(tmp_path, items=CATALOGUE, accept_rejected=True)
    assert (len(kept.titles), kept.lost) == (before, {"undecodable_line": 2})


def test_utf_16_without_a_mark_names_the_key(tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": (HEADER + ROWS).encode("utf-16-le")})
    with pytest.raises(DataError, match='log.csv is not UTF-8: .*encoding = "utf-16-le"'):
        found(tmp_path)


def test_letters_of_windows_in_latin_1_are_worth_a_word(tmp_path: Path) -> None:
    write(tmp_path, {**LOG, "items.csv": "id,name,tags\nx,Ocean’s 11,\n".encode("cp1252")})
    (remark, *_) = found(tmp_path, items={**CATALOGUE, "encoding": "iso-8859-1"}).remarks
    assert "items.csv: 1 lines hold control characters" in remark and 'encoding = "cp1252"' in remark


@pytest.mark.parametrize(
    ("text", "keys", "titles"),
    [
        ('1,"Line one\nLine two",war\n2,"A\r\nB",war\n', {}, ["Line one\nLine two", "A\r\nB"]),
        ('1,"say ""hi"", ok",war\n', {}, ['say "hi", ok']),
        ('1,12" Vinyl,war\n2,"Unclosed,war\n3,"Fine, too",war\n', {}, ['12" Vinyl', '"Unclosed', "Fine, too"]),
        (
            '1,"The \\"Odd\\" One, a tale",war\n2,"C:\\\\dir",war\n',
            {"escape": "\\"},
            ['The "Odd" One, a tale', "C:\\dir"],
        ),
        ('"1"; "a; b" ;war\n', {"separator": ";"}, ["a; b"]),
        ("1;'it''s; so';war\n", {"separator": ";", "quote": "'"}, ["it's; so"]),
        ('1\t"Quoted" Start\twar\n2\tsay "hi\twar\n', {"separator": "\t"}, ['"Quoted" Start', 'say "hi']),
        ('1\t"a\tb"\twar\n', {"separator": "\t", "quote": '"'}, ["a\tb"]),
        ("1::Été, l'::war\n", {"separator": "::"}, ["Été, l'"]),
        ('1||"a || b"||war\n', {"separator": "||", "quote": '"'}, ["a || b"]),
        ("1   Dune\t war\n  2 Heat   war \n", {"separator": "spaces"}, ["Dune", "Heat"]),
        ("1\x01Dune\x01war\n", {"separator": "\x01"}, ["Dune"]),
        ("\n\n1,Dune,war\n\n2,Heat,war\n \n", {}, ["Dune", "Heat"]),
        ("1,Dune,war,\n2,Heat,war,,\n", {}, ["Dune", "Heat"]),
        ("1,Dune,war\r2,Heat,war\r", {}, ["Dune", "Heat"]),
        ("1,Du\x00ne,war\n", {}, ["Dune"]),
        ("1,Dune\n2,Heat,war\n", {}, ["Dune", "Heat"]),
        ("1,None,war\n2,nan,war\n3,NULL,war\n", {}, ["None", "nan", None]),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, str) else "",
)
def test_cells_are_divided_as_they_are_meant(
    tmp_path: Path, text: str, keys: dict[str, str], titles: list[str]
) -> None:
    separator = {"spaces": " "}.get(keys.get("separator", ""), keys.get("separator", ","))
    end = "\r" if "\n" not in text else "\n"
    header = separator.join(["id", "name", "tags"]) + end
    for times in (1, 3_000):  # a block, and many of them
        write(tmp_path, {**LOG, "items.csv": header + text * times})
        assert found(tmp_path, items={**CATALOGUE, **keys}).titles == titles * times


def test_what_quotes_in_a_file_with_tabs_mean_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": '"who"\t"what"\n"a"\t"x"\n'})
    with pytest.raises(DataError, match="They stand in quotes: write quote = '\"'"):
        found(tmp_path, interactions={"file": "log.csv", "user": "who", "item": "what", "separator": "\t"})


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            "who;what;stars;at\na;x;5;1\n",
            {},
            'log.csv has no column who, .*; it has who;what;stars;at. .*separator = ";"',
        ),
        ("who\twhat\tstars\tat\na\tx\t5\t1\n", {}, r'separator = "\\t"'),
        ("who what stars at\na x 5 1\n", {}, 'separator = "spaces"'),
        ("WHO,What,stars,at\na,x,5,1\n", {}, 'Capital letters matter: write "WHO", "What"'),
        ("1,2,5,1\n3,4,5,1\n", {}, "no header line, write columns = "),
        ("who,what,who,stars\na,x,b,5\n", {}, "more than one column who"),
        ("who,what,stars,at\n", {"columns": ["a", "b", "c", "d", "e"]}, "has 4 columns, not the 5 of a, b, c, d, e"),
        ("who,what,stars\n" + "a,x,5,6\n" * 3, {}, r"unreadable_line: 3, such as log.csv, line 2: 4 cells, .*has 3"),
        ('who,what,stars\na,"x \\"y\\", z",5\n', {}, r"line 2: a backslash before a quote.*escape = '\\'"),
        ('who,what,stars\na,"x\nb,y,4\nc,z,3\n', {}, "line 2: a quote that is not closed.*write quote = "),
    ],
)
def test_what_can_not_be_divided_is_refused_with_the_key_to_write(
    tmp_path: Path, text: str, keys: dict[str, object], message: str
) -> None:
    write(tmp_path, {"log.csv": text})
    with pytest.raises(DataError, match=message) as error:
        found(tmp_path, interactions={**RATED, **keys}, rating=SCALE)
    assert "\n" not in str(error.value)


PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "zip": lambda data: zipped(**{"inside.csv": data.decode()}),
}


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet", "log"])
@pytest.mark.parametrize("kind", list(PACKED))
def test_how_a_file_is_compressed_is_seen_in_it_and_not_in_its_name(tmp_path: Path, kind: str, name: str) -> None:
    packed = PACKED[kind](LOG["log.csv"].encode())
    write(tmp_path, {name: packed})
    assert found(tmp_path, interactions={**RATED, "file": name}, rating=SCALE).users == ["a", "b"]
    write(tmp_path, {name: packed[:-9]})
    with pytest.raises(
        DataError, match=f"{name} can't be read to its end .*: it is damaged or cut short, get it again"
    ):
        found(tmp_path, interactions={**RATED, "file": name}, rating=SCALE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(**{"a.csv": "x", "b.csv": "y"}), "log.csv is a zip of 2 files: unpack it"),
        (zipped(**{"xl/workbook.xml": "", "b": ""}), "is an Excel workbook: save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "is an Excel workbook"),
        (b"SQLite format 3\x00" + bytes(100), "is an SQLite database"),
        (b'[{"who": 1},\n {"who": 2}]', "is one JSON array: write one object a line"),
        (gzip.compress(b"PAR1" + bytes(50)), "is a compressed Parquet file: unpack it"),
        (b"PAR1" + bytes(50), "can't be read to its end"),
    ],
    ids=["zip of two", "xlsx", "xls", "sqlite", "json array", "packed parquet", "damaged parquet"],
)
def test_a_format_that_is_not_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path, {"log.csv": content})
    with pytest.raises(DataError, match=message):
        found(tmp_path)


@pytest.mark.parametrize("file", ["log/part-0.csv", "log/year=2024/part-0.csv.gz", "log/a/b/c.csv"])
def test_a_folder_of_parts_is_read(tmp_path: Path, file: str) -> None:
    packed = gzip.compress if file.endswith(".gz") else bytes
    write(tmp_path, {"log/_SUCCESS": "ok", "log/.part.crc": "x", "log/empty.csv": ""})
    write(tmp_path, {file: packed((HEADER + "a,x,5,1\n").encode()), "log/z.csv": HEADER + "b,y,4,1\n"})
    assert found(tmp_path, interactions={**RATED, "file": "log"}, rating=SCALE).users == ["a", "b"]


def test_values_in_the_names_of_folders_stay_what_they_are(tmp_path: Path) -> None:
    for user in ("001", "1", "1e1", "a%20b"):
        write(tmp_path, {f"log/who={user}/part.csv": "what,stars\nx,5\n"})
    assert found(tmp_path, interactions={**RATED, "file": "log"}, rating=SCALE).users == ["001", "1", "1e1", "a b"]


def test_a_footer_costs_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": HEADER + "1,2,5,1\n" * 200 + "(200 rows)\n"})
    result = found(tmp_path, interactions=RATED, rating=SCALE)
    assert (len(result.users), result.items.count(None)) == (201, 1)
    assert result.examples["null_id"] == "log.csv, line 202: what is empty"
    assert not result.remarks
