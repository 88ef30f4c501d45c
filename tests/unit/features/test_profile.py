import math

import brute_force
import numpy as np
import pyarrow as pa
import pytest
from brute_force import DAY, Rating, leave_each_out
from hypothesis import given, settings
from hypothesis import strategies as st

from recstack.features import spec
from recstack.features.histories import Histories, Past
from recstack.features.profile import genre_score
from recstack.features.user_features import user_features

GENRES = {10: [0, 1], 11: [1], 12: [], 13: [0, 2], 14: [2], 15: [3]}
N_GENRES = 5  # nothing carries the last one

histories = st.lists(
    st.lists(
        st.tuples(st.sampled_from(sorted(GENRES)), st.integers(1, 10), st.integers(0, 40 * DAY)),
        unique_by=lambda row: row[0],
        max_size=6,
    ),
    min_size=1,
    max_size=5,
)


def flat(users: list[list[tuple[int, int, int]]], has_timestamps: bool) -> tuple[list[Rating], Histories, list[int]]:
    """Ratings in the order that the Spark job gives them, and the index at which each user begins."""
    ratings, borders = [], [0]
    for user, rows in enumerate(users):
        own = [Rating(user, item, value / 2, second if has_timestamps else None) for item, value, second in rows]
        ratings += sorted(own, key=lambda r: (r.second if has_timestamps else r.rating, r.item))
        borders.append(len(ratings))
    block = Histories(
        np.array([r.item for r in ratings], dtype=np.int64),
        np.array([r.rating for r in ratings], dtype=np.float64),
        np.array([r.second or 0 for r in ratings], dtype=np.int64),
        has_timestamps,
    )
    return ratings, block, borders


@settings(deadline=None, database=None)
@given(histories, st.booleans())
def test_every_prefix_of_every_history_equals_the_slow_way(
    users: list[list[tuple[int, int, int]]], has_timestamps: bool
) -> None:
    ratings, block, borders = flat(users, has_timestamps)
    ranges = [(a, e) for a, b in zip(borders[:-1], borders[1:], strict=True) for e in range(a, b + 1)]
    start, end = np.array(ranges, dtype=np.int64).T
    table = user_features(Past(block, start, end), brute_force.item_genres(GENRES, N_GENRES))
    assert table.schema == spec.schema("user")
    for row, (first, last) in zip(table.to_pylist(), ranges, strict=True):
        brute_force.assert_equal(row, brute_force.features(ratings[first:last], GENRES, N_GENRES))


@settings(deadline=None, database=None)
@given(histories.filter(lambda users: any(users)))
def test_features_without_one_rating_are_those_of_a_history_without_it(users: list[list[tuple[int, int, int]]]) -> None:
    users = [rows for rows in users if rows]
    ratings, block, borders = flat(users, has_timestamps=False)
    start, end = np.array(borders[:-1]), np.array(borders[1:])
    table = user_features(leave_each_out(block, start, end), brute_force.item_genres(GENRES, N_GENRES))
    for own, row in zip(ratings, table.to_pylist(), strict=True):
        others = [r for r in ratings if r.user == own.user and r.item != own.item]
        brute_force.assert_equal(row, brute_force.features(others, GENRES, N_GENRES))


def test_of_more_than_fifty_items_the_fifty_newest_are_recent_with_and_without_the_own_one() -> None:
    positions = {item: [item % 3] for item in range(120)}
    genres = brute_force.item_genres(positions, 3)
    ratings = [Rating(1, item, 0.5 + item / 40, None) for item in range(120)]
    block = Histories(
        np.arange(120), np.array([r.rating for r in ratings]), np.zeros(120, np.int64), has_timestamps=False
    )
    start, end = np.array([0]), np.array([120])
    brute_force.assert_equal(
        user_features(Past(block, start, end), genres).to_pylist()[0], brute_force.features(ratings, positions, 3)
    )
    rows = user_features(leave_each_out(block, start, end), genres).to_pylist()
    for own in (0, 69, 70, 71, 119):
        others = ratings[:own] + ratings[own + 1 :]
        brute_force.assert_equal(rows[own], brute_force.features(others, positions, 3))


def test_the_score_is_neutral_without_evidence_and_rises_with_liking_and_with_evidence() -> None:
    assert genre_score(np.zeros(1), np.zeros(1), spec.ALPHA).tolist() == [spec.NEUTRAL_SCORE]
    more_liked = genre_score(np.array([2.0, 6.0, 10.0]), np.full(3, 2.0), spec.ALPHA)
    more_often = genre_score(np.array([4.0, 40.0, 4e6]), np.array([1.0, 10.0, 1e6]), spec.ALPHA)
    for scores in (more_liked, more_often):
        assert (np.diff(scores) > 0).all()
        assert ((scores > 5) & (scores < 10)).all()
    for alpha in (0.1, 0.3):
        right = 10 / (1 + math.exp(-alpha * 4 * math.log(3)))
        assert genre_score(np.array([8.0]), np.array([2.0]), alpha)[0] == pytest.approx(right)


def test_an_item_outside_the_catalogue_counts_for_no_genre() -> None:
    block = Histories(np.array([10, 99]), np.array([4.0, 5.0]), np.array([0, 1]), has_timestamps=True)
    genres = brute_force.item_genres(GENRES, N_GENRES)
    alone = Histories(block.item[:1], block.rating[:1], block.time[:1], has_timestamps=True)
    both = user_features(Past(block, np.array([0]), np.array([2])), genres)
    assert both["genre_profile"] == user_features(Past(alone, np.array([0]), np.array([1])), genres)["genre_profile"]
    assert both["rating_count"].to_pylist() == [2]


def test_a_catalogue_without_genres_gives_empty_profiles() -> None:
    block = Histories(np.array([10]), np.array([4.0]), np.array([0]), has_timestamps=True)
    table = user_features(Past(block, np.array([0]), np.array([1])), brute_force.item_genres({10: []}, 0))
    assert table["genre_profile"].to_pylist() == [[]]


def test_no_histories_give_no_rows() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    block = Histories(nothing, np.zeros(0), nothing, has_timestamps=True)
    table = user_features(Past(block, nothing, nothing), brute_force.item_genres(GENRES, N_GENRES))
    assert table.equals(pa.table({f.name: pa.array([], f.type) for f in spec.schema("user")}))
