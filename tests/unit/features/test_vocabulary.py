from pathlib import Path

import pyarrow as pa
import pytest

from recstack import columns as c
from recstack.features import vocabulary


def test_a_new_genre_never_shifts_those_that_were_there() -> None:
    first = vocabulary.extend((), ["war", "comedy", "war"])
    assert first == ("comedy", "war")
    assert vocabulary.extend(first, ["action", "war", "drama"]) == ("comedy", "war", "action", "drama")


def test_a_genre_that_the_catalogue_lost_keeps_its_position() -> None:
    assert vocabulary.extend(("comedy", "war"), ["war"]) == ("comedy", "war")


def test_the_order_in_which_genres_arrive_does_not_matter() -> None:
    assert vocabulary.extend((), ["b", "c", "a"]) == vocabulary.extend((), ["c", "a", "b"])


def test_a_vocabulary_survives_a_round_trip(tmp_path: Path) -> None:
    words = ("noël", "a|b", "sci-fi")
    vocabulary.save(tmp_path, words)
    assert vocabulary.load(tmp_path) == words


@pytest.mark.parametrize("edit", [('"comedy",\n    "war"', '"war",\n    "comedy"'), ('"war"', '"peace"')])
def test_an_edited_file_is_refused(tmp_path: Path, edit: tuple[str, str]) -> None:
    vocabulary.save(tmp_path, ("comedy", "war"))
    path = tmp_path / vocabulary.FILE
    assert edit[0] in path.read_text()
    path.write_text(path.read_text().replace(*edit))
    with pytest.raises(ValueError, match=f"{vocabulary.FILE} was edited"):
        vocabulary.load(tmp_path)


def test_every_item_finds_the_positions_of_its_genres_whatever_the_order_of_rows_and_chunks() -> None:
    rows = [(7, ["war"]), (3, ["comedy", "drama"]), (5, []), (9, None)]
    chunks = [pa.table({c.ITEM_ID: [item], c.GENRES: pa.array([names], pa.list_(pa.string()))}) for item, names in rows]
    genres = vocabulary.item_genres(pa.concat_tables(chunks), ("comedy", "war", "drama"))
    assert genres.item_ids.tolist() == [3, 5, 7, 9]
    lengths, positions = genres.lookup(genres.item_ids)
    assert (lengths.tolist(), positions.tolist()) == ([2, 0, 1, 0], [0, 2, 1])


@pytest.mark.parametrize("item", [3, 4_000_000_000])
def test_items_outside_the_catalogue_have_no_genres(item: int) -> None:
    table = pa.table({c.ITEM_ID: [item], c.GENRES: [["war"]]})
    item_ids = pa.array([0, item, item + 1]).to_numpy()
    lengths, positions = vocabulary.item_genres(table, ("war",)).lookup(item_ids)
    assert (lengths.tolist(), positions.tolist()) == ([0, 1, 0], [0])
