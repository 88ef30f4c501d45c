from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyroaring import BitMap

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features import spec
from recstack.features.encode import Encoder, empty_rows
from recstack.features.spec import ITEM_SCALARS, SCALINGS, USER_SCALARS

WORDS = ("comedy", "war")
NOW = 1_000 * DAY
IDS = [30, 10, 20]


def seen(ratings: dict[int, float]) -> dict[str, bytes]:
    """The two features of these items; their ratings stand in ascending order of the items."""
    values = np.array([ratings[item] for item in sorted(ratings)], dtype="<f2")
    return {c.SEEN_ITEMS: BitMap(ratings).serialize(), c.SEEN_RATINGS: values.tobytes()}


def user(**values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        **dict.fromkeys(USER_SCALARS, 2),
        c.GENRE_PROFILE: [7.5, 5.0],
        c.LAST_INTERACTION: NOW - 3 * DAY,
        c.RECENT_ITEMS: [20, 30],
        c.RECENT_RATINGS: [4.0, 2.0],
        **seen({20: 4.0, 30: 2.0}),
    }
    return known | values


def users(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=spec.schema("user"))


def items(**columns: Any) -> pa.Table:
    known: dict[str, Any] = {
        c.GENRE_INDICES: [[0], [], [1, 0]],
        c.YEAR: [1990, None, 2010],
        c.TYPE: [None, "TV", None],
        c.EPISODES: [1, 12, None],
        c.MEAN_SCORE: [None, None, None],
        c.POPULARITY_7D: [0, 1, 2],
        c.POPULARITY_30D: [3, 4, 5],
        c.POPULARITY_ALL: [6, 7, None],
    }
    arrays = [pa.array((known | columns)[field.name], field.type) for field in spec.schema("item")]
    return pa.table([pa.array(IDS, pa.int64()), *arrays], names=[c.ITEM_ID, *spec.names("item")])


NOTHING_SEEN = {c.SEEN_ITEMS: None, c.SEEN_RATINGS: None}
TRAINING = users(user(), user(**dict.fromkeys(USER_SCALARS, 9)))


@pytest.fixture
def encoder() -> Encoder:
    return Encoder.fit(TRAINING, np.array([NOW, NOW + 9 * DAY]), items(), WORDS)


def test_items_are_numbered_by_ascending_id_and_others_are_minus_one(encoder: Encoder) -> None:
    assert encoder.item_ids.tolist() == [10, 20, 30]
    assert encoder.positions([30, 10, 99, 5, 20]).tolist() == [2, 0, -1, -1, 1]


def test_profiles_are_centred_at_no_evidence(encoder: Encoder) -> None:
    batch = encoder.users(users(user(), user(genre_profile=None)), np.full(2, NOW))
    assert batch.genres.tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_scalars_have_mean_zero_and_deviation_one_over_the_training_rows(encoder: Encoder) -> None:
    batch = encoder.users(TRAINING, np.array([NOW, NOW + 9 * DAY]))
    np.testing.assert_allclose(batch.scalars.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(batch.scalars.std(axis=0), 1, atol=1e-6)


def test_the_age_of_the_last_interaction_counts_from_the_as_of_time(encoder: Encoder) -> None:
    rows = users(user(), user(), user())
    age = encoder.users(rows, np.array([NOW, NOW + 4 * DAY, NOW + 9 * DAY])).scalars
    age = age[:, USER_SCALARS.index(c.LAST_INTERACTION)]
    assert age[0] < age[1] < age[2]
    ages = [column for column, name in enumerate(USER_SCALARS) if SCALINGS[name] == "log-age"]
    others = np.delete(encoder.users(rows, np.array([NOW, NOW, NOW + DAY])).scalars, ages, axis=1)
    assert (others == others[0]).all()


def test_missing_scalars_are_average_and_extreme_ones_are_bounded(encoder: Encoder) -> None:
    batch = encoder.users(users(user(rating_count=None), user(rating_count=10**9)), np.full(2, NOW))
    assert batch.scalars[:, USER_SCALARS.index(c.RATING_COUNT)].tolist() == [0.0, 3.0]


def test_recent_items_are_padded_and_those_outside_the_catalogue_are_marked(encoder: Encoder) -> None:
    row = user(recent_items=[20, 99, 10], recent_ratings=[4.0, 4.0, 2.0])
    batch = encoder.users(users(row), np.array([NOW]))
    assert batch.recent[0].tolist() == [1, -1, 0] + [-1] * (spec.RECENT_LENGTH - 3)
    assert batch.recent_ratings[0, :4].tolist() == [1.0, 0.0, -1.0, 0.0]  # mean 3, deviation 1; unknown and padding 0


def test_seen_items_are_positions_of_the_catalogue(encoder: Encoder) -> None:
    rows = users(user(**seen({10: 3.5, 30: 0.5, 99: 5.0})), user(**NOTHING_SEEN), user())
    batch = encoder.users(rows, np.full(3, NOW))
    assert batch.seen_offsets.tolist() == [0, 2, 2, 4]
    assert batch.seen.tolist() == [0, 2, 1, 2]
    assert batch.seen_ratings.tolist() == [3.5, 0.5, 4.0, 2.0]
    assert batch.unseen(3).tolist() == [[False, True, False], [True, True, True], [True, False, False]]


def test_seen_items_without_ratings_are_seen_all_the_same(encoder: Encoder) -> None:
    batch = encoder.users(users(user(seen_ratings=None)), np.array([NOW]))
    assert batch.seen.tolist() == [1, 2]
    assert np.isnan(batch.seen_ratings).all()


def test_ratings_that_are_not_those_of_the_seen_items_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="2 items seen, but 1 ratings"):
        encoder.users(users(user(seen_ratings=b"\x00\x44")), np.array([NOW]))


def test_a_slice_of_a_batch_is_the_batch_of_the_slice(encoder: Encoder) -> None:
    rows = users(user(), user(**NOTHING_SEEN, genre_profile=None), user(**seen({10: 1.0})))
    part = encoder.users(rows, np.full(3, NOW), ids=np.array([7, 8, 9]))[1:]
    alone = encoder.users(rows.slice(1), np.full(2, NOW), ids=np.array([8, 9]))
    for name in part.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))
    with pytest.raises(ValueError, match="contiguous"):
        part[::2]


def test_rows_taken_from_a_batch_are_the_batch_of_these_rows(encoder: Encoder) -> None:
    rows = users(user(), user(**NOTHING_SEEN, genre_profile=None), user(**seen({10: 1.0})))
    chosen = np.array([2, 0, 2])
    taken = encoder.users(rows, np.full(3, NOW), ids=np.array([7, 8, 9])).take(chosen)
    alone = encoder.users(rows.take(chosen), np.full(3, NOW), ids=np.array([9, 7, 9]))
    for name in taken.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(taken, name), getattr(alone, name))


def test_a_user_without_features_is_neutral_everywhere(encoder: Encoder) -> None:
    batch = encoder.users(empty_rows(1), np.array([NOW]))
    assert not batch.genres.any()
    assert not batch.scalars.any()
    assert (batch.recent == -1).all()
    assert len(batch.seen) == 0


def test_rows_without_user_ids_are_those_of_anonymous_users(encoder: Encoder) -> None:
    assert encoder.users(users(user(), user()), np.full(2, NOW)).ids.tolist() == [-1, -1]
    assert encoder.users(users(user(), user()), np.full(2, NOW), ids=np.array([4, -1])).ids.tolist() == [4, -1]
    with pytest.raises(ValueError, match="1 user ids for 2 rows"):
        encoder.users(users(user(), user()), np.full(2, NOW), ids=np.array([4]))


def test_a_profile_of_another_vocabulary_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match=r"length \[3\], but the vocabulary has 2 genres"):
        encoder.users(users(user(), user(genre_profile=[5.0, 5.0, 5.0])), np.full(2, NOW))


def test_items_are_encoded_at_their_positions_whatever_the_order_of_rows(encoder: Encoder) -> None:
    batch = encoder.items(items())
    assert batch.genres.tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]
    np.testing.assert_allclose(np.expm1(batch.popularity), [[1, 4, 7], [2, 5, 0], [0, 3, 6]], atol=1e-5)
    year, episodes = (batch.scalars[:, ITEM_SCALARS.index(name)].tolist() for name in (c.YEAR, c.EPISODES))
    assert year == [0.0, 1.0, -1.0]  # mean 2000, deviation 10
    assert episodes == pytest.approx([1.0, 0.0, -1.0])
    assert not batch.scalars[:, ITEM_SCALARS.index(c.MEAN_SCORE)].any()  # no item has one


def test_missing_items_get_zeros_and_items_outside_the_catalogue_are_left_out(encoder: Encoder) -> None:
    whole, rows = encoder.items(items()), items().slice(1)
    unknown = rows.set_column(0, c.ITEM_ID, pa.array([10, 99]))
    batch = encoder.items(unknown)
    for name in batch.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(batch, name)[0], getattr(whole, name)[0])
        assert not getattr(batch, name)[1:].any()


def test_an_encoder_survives_a_round_trip(encoder: Encoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    again = Encoder.load(tmp_path)
    assert again.item_ids.tolist() == encoder.item_ids.tolist()
    assert (again.genres, again.means, again.deviations) == (encoder.genres, encoder.means, encoder.deviations)


def test_training_rows_without_any_history_can_be_fitted(encoder: Encoder) -> None:
    fitted = Encoder.fit(empty_rows(3), np.full(3, NOW), items(), WORDS)
    batch = fitted.users(users(user()), np.array([NOW]))
    assert np.isfinite(batch.scalars).all()
    assert np.isfinite(batch.recent_ratings).all()
