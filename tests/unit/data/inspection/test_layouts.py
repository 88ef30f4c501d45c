"""Each ready-made mapping reads a sample of its layout (tests/layouts) into the rows that stand there."""

import gzip
import shutil
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from checkout import ROOT

from recstack import columns as c
from recstack.data.adapters.mapping import read_mapping
from recstack.data.inspection.check import check_folder
from recstack.data.inspection.folders import init_mapping, look_into
from recstack.data.inspection.like import layouts, resembling
from recstack.data.reading.items import ItemReader
from recstack.data.reading.log import LogReader

SAMPLES = ROOT / "tests" / "layouts"


class Known(NamedTuple):
    """What a sample of ten rows holds."""

    first: tuple[Any, ...]
    """User, item, rating and time of the first row."""
    last: tuple[Any, ...]
    items: dict[str, tuple[Any, ...]] = {}
    """By id: title, genres, year."""
    rows: int = 10


AMAZON = (
    ("A2SUAM1J3GNN3B", "0000013714", 5, "2009-09-13T00:00:00"),
    ("A3N7T0DY83Y4IG", "B0002E1G5C", 3, "2009-09-22T00:00:00"),
)
KNOWN = {
    "amazon-2014": Known(*AMAZON, {"0000013714": ('A Book of "Hymns"', ["Books"], None)}),
    "amazon-2014-ratings": Known(*AMAZON),
    "amazon-2018": Known(*AMAZON, {"B00004Y2UT": ("Guitar Strings, Light", ["Musical Instruments", "Strings"], None)}),
    "amazon-2018-ratings": Known(*AMAZON),
    "amazon-2023": Known(
        ("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "B00YQ6X8EO", 5, "2020-05-05T14:08:48.923000"),
        ("AE74DYR3QUGVPZJ3P7RFWBGIX7XQ", "B097R46CSY", 3, "2020-05-05T23:08:48.923000"),
        {"B081TJ8YS3": ('Hair "Clip"', ["Hair Care", "Clips"], None), "B097R46CSY": ("Soap", None, None)},
    ),
    "anime": Known(
        ("1", "24", 8, None),
        ("5", "20", 10, None),
        {"20": ("Naruto", ["Action", "Comedy", "Martial Arts"], None), "79": ("Shuffle!, again", None, None)},
        rows=8,  # two of -1 are left out
    ),
    "anime-2020": Known(
        ("0", "430", 9, None),
        ("4", "430", 3, None),
        {"1004": ("Kanojo, x2", ["Drama"], None), "3010": ("Kaiketsu Zorro", None, None)},
    ),
    "book-crossing": Known(
        ("276726", "0155061224", 5, None),
        ("276745", "3257224281", 10, None),
        {
            "0446520802": ('The "Notebook"', None, 1996),
            "2080674722": ("Les Particules Élémentaires", None, 1998),
            "3257224281": ("Der Kleine Mann – neu", None, None),
        },
        rows=7,  # three of 0 are left out
    ),
    "goodbooks": Known(("1", "258", 5, None), ("5", "258", 3, None), {"258": ("The Shadow of the Wind", None, 2001)}),
    "gowalla": Known(("0", "22847", 1, "2010-10-19T23:55:27"), ("2", "22847", 1, "2010-10-12T15:19:03")),
    "lastfm-1k": Known(
        ("user_000001", "Deep Dish", 1, "2009-05-04T23:08:57"), ("user_000003", "Deep Dish", 1, "2009-05-05T01:09:03")
    ),
    "lastfm-360k": Known(
        ("00000c289a1829a808ac09c00daf10bc3c4e223b", "betty blowtorch", 11.0620, None),
        ("00004d2ac9316e22dc007ab2243d6fcb239e707d", "die Ärzte", 1, None),
    ),
    "mind": Known(
        ("U13740", "N55689", 1, "2019-11-11T09:05:58"),
        ("U8125", "N20678", 1, "2019-11-13T16:11:21"),
        {"N55689": ('Charles "Sir" Rogers, former player, dead at 38', ["sports"], None)},
    ),
    "movietweetings": Known(
        ("1", "0114508", 8, "2013-10-05T21:00:50"),
        ("5", "0075314", 7, "2020-01-01T15:03:19"),
        {"0075314": ("Taxi Driver (1976)", ["Crime", "Drama"], None)},
    ),
    "recbole": Known(
        ("196", "242", 3, "1997-12-04T15:55:49"),
        ("22", "242", 5, "1997-11-07T07:18:38"),
        {"302": ('L.A. "Noir" Confidential', ["Crime", "Film-Noir", "Mystery", "Thriller"], 1997)},
    ),
    "retailrocket": Known(
        ("257597", "355908", 1, "2015-06-02T05:02:12.117000"), ("483717", "248676", 1, "2015-06-02T05:00:04.592000")
    ),
    "steam": Known(("151603712", "The Elder Scrolls V, Skyrim", 1, None), ("59945701", "Spore", 1, None)),
    "steam-reviews": Known(
        ("51580", "975370", 1, "2022-12-12T00:00:00"),
        ("253880", "975370", 0, "2020-12-14T00:00:00"),
        {"304390": ("FOR HONOR™, the game", None, None)},
    ),
    "yelp": Known(
        ("mh_-eMZ6K5RLWhZyISBhwA", "XQfwVwDr-v0ZS3_CbbE5Xw", 1, "2018-07-07T22:09:11"),
        ("OyoGAe7OKpv6SyGZT5g77Q", "XQfwVwDr-v0ZS3_CbbE5Xw", 3, "2018-07-16T22:09:20"),
        {"7ATYjTIgM3jUlt4UM3IypQ": ("Body Cycle, Ltd", ["Active Life", "Fitness & Instruction"], None)},
    ),
}


@pytest.fixture(params=["plain", "gzip"])
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The files of a layout, as they are or compressed."""
    name: str = request.getfixturevalue("name")
    folder = tmp_path / name
    shutil.copytree(SAMPLES / name, folder)
    if request.param == "gzip":
        for path in list(folder.iterdir()):
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


def values(row: dict[str, Any]) -> tuple[Any, ...]:
    time = row[c.TIMESTAMP]
    shown = None if time is None else time.replace(tzinfo=None).isoformat()
    return str(row[c.USER_ID]), str(row[c.ITEM_ID]), pytest.approx(row[c.RATING], abs=1e-3), shown


def test_every_layout_has_a_sample_and_known_rows() -> None:
    assert set(layouts()) == set(KNOWN) == {path.name for path in SAMPLES.iterdir()}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_sample_is_read_as_it_stands(name: str, sample: Path) -> None:
    known = KNOWN[name]
    init_mapping(sample, name)
    mapping = read_mapping(sample)
    reader = LogReader(sample, mapping)
    rows = pa.concat_tables(list(reader.batches())).to_pylist()
    assert reader.facts.losses.lines == {}
    assert len(rows) == known.rows
    assert (known.first, known.last) == (values(rows[0]), values(rows[-1]))
    assert (mapping.items is not None) == bool(known.items)
    if mapping.items is not None:
        catalogue = pa.concat_tables(list(ItemReader(sample, mapping.items, mapping.text_ids).batches())).to_pylist()
        found = {str(row[c.ITEM_ID]): (row[c.TITLE], genres(row), row[c.YEAR]) for row in catalogue}
        assert {item: found[item] for item in known.items} == known.items


def genres(row: dict[str, Any]) -> list[str] | None:
    return None if row[c.GENRES] is None else [genre.strip() for genre in row[c.GENRES]]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_check_finds_a_sample_usable(name: str, sample: Path) -> None:
    init_mapping(sample, name)
    result = check_folder("csv", sample)
    assert result.usable, "\n".join(result.lines())
    assert "No row of [interactions] would be rejected." in list(result.lines())


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_template_is_toml_that_says_what_it_is_for(name: str) -> None:
    text = layouts()[name]
    assert text.startswith("# ") and "interactions" in tomllib.loads(text)


def test_what_a_folder_lacks_is_left_out_of_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "tiny.inter").write_text("user_id:token\titem_id:token\n1\t2\n1\t3\n")
    init_mapping(tmp_path, "recbole")
    mapping = read_mapping(tmp_path)
    assert (mapping.items, mapping.users, mapping.rating) == (None, None, None)
    assert (mapping.interactions.rating, mapping.interactions.time) == (None, None)


def test_other_names_of_a_column_are_tried(tmp_path: Path) -> None:
    (tmp_path / "tiny.inter").write_text("user_id:token\titem_id:token\trating:float\n1\t2\t7.0\n1\t3\t10.0\n")
    (tmp_path / "tiny.item").write_text("item_id:token\tgenre:token_seq\n2\tWar Sea\n")
    init_mapping(tmp_path, "recbole")
    mapping = read_mapping(tmp_path)
    assert mapping.items is not None and (mapping.items.genres, mapping.items.title) == ("genre:token_seq", None)
    assert mapping.rating is not None and (mapping.rating.min, mapping.rating.max) == (1, 10), "as the data show"


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_files_are_known_by_their_names_and_columns(name: str, sample: Path) -> None:
    assert name in resembling(look_into(sample).tables)


def test_a_name_alone_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,stars\n1,2,3\n1,3,4\n")
    assert resembling(look_into(tmp_path).tables) == []
