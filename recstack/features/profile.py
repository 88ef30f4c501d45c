"""The user-genre profile: how much each user likes each genre."""

import numpy as np
import pyarrow as pa

from recstack.features.arrays import Doubles, Ints
from recstack.features.histories import Past
from recstack.features.item_genres import ItemGenres


def genre_profile(past: Past, genres: ItemGenres) -> pa.Array:
    """One list of G scores for each of the P rows; null where a row sees nothing."""
    scores = genre_score(*_genre_sums(past, genres), genres.alpha)
    offsets = np.arange(len(scores) + 1, dtype=np.int32) * scores.shape[1]
    return pa.ListArray.from_arrays(offsets, scores.astype(np.float32).ravel(), mask=pa.array(past.is_empty))


def genre_score(rating_sum: Doubles, count: Doubles, alpha: float) -> Doubles:
    """User-genre score 10 / (1 + exp(-α · p · ln(1 + n))) with p = rating_sum / count and n = count.

    Args:
        rating_sum: sum of the user's ratings of items that carry the genre.
        count: number of these items.
        alpha: slope.

    Returns:
        Scores in [5, 10) for ratings >= 0; exactly 5 where count is 0.
    """
    score = rating_sum / np.maximum(count, 1.0)
    score *= np.log1p(count)
    score *= -alpha
    np.exp(score, out=score)  # in place from here on: these arrays are the largest of a task
    score += 1.0
    return np.divide(10.0, score, out=score)


def _genre_sums(past: Past, genres: ItemGenres) -> tuple[Doubles, Doubles]:
    """[P, G] sum of ratings, and number of items, of each genre."""
    if past.left_out is None:
        return _running_sums(past, genres)
    _, first_row, user = np.unique(past.start, return_index=True, return_inverse=True)
    whole = Past(past.histories, past.start[first_row], past.end[first_row])
    rating_sum, count = (sums[user] for sums in _running_sums(whole, genres))
    lengths, genre = genres.lookup(past.histories.item[past.left_out])
    rows = np.repeat(np.arange(len(lengths)), lengths)
    np.subtract.at(rating_sum, (rows, genre), past.histories.rating[past.left_out[rows]])
    np.subtract.at(count, (rows, genre), 1.0)
    return rating_sum, count


def _running_sums(past: Past, genres: ItemGenres) -> tuple[Doubles, Doubles]:
    """The sums of rows that see everything before their end."""
    # Each interaction is counted at the first row that sees it; a running sum over the user's rows does the rest.
    start, end, rows = past.start, past.end, np.arange(len(past.start))
    first = np.searchsorted(start, start)  # first row of each row's user
    before = np.where(first == rows, start, end[rows - 1])
    row = np.repeat(rows, end - before)
    new = np.arange(len(row)) - np.repeat(np.cumsum(end - before) - end, end - before)
    carried, genre = genres.lookup(past.histories.item[new])
    cell = np.repeat(row * genres.n_genres, carried)
    cell += genre
    shape = (len(start), genres.n_genres)
    weights = np.repeat(past.histories.rating[new], carried)
    # Without any interaction bincount forgets the type of its weights.
    rating_sum = np.bincount(cell, weights, minlength=shape[0] * shape[1]).astype(np.float64, copy=False).reshape(shape)
    count = np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
    if np.array_equal(first, rows):
        return rating_sum, count
    return _cumulative(rating_sum, first), _cumulative(count, first)


def _cumulative(values: Doubles, first: Ints) -> Doubles:
    """Cumulative sum over the rows of each user, whose first row is `first`."""
    total = np.cumsum(values, axis=0)
    return total - total[first] + values[first]
