"""Slices of the targets by popularity and genre of the item, to show where a model is good or bad."""

import numpy as np

from recstack.evaluation.metrics import popularity_decile
from recstack.features.arrays import Floats, Ints, Mask

DECILES = tuple(f"popularity {decile}" for decile in range(1, 11))
"""From the rarest items (1) to the most popular ones (10)."""

GENRE = "genre "
"""Prefix of the names of genre slices."""

MOST_GENRES = 20
"""Number of genre slices, those with most targets: rare genres have too few targets for a useful interval."""


def target_slices(relevant: Ints, item_counts: Ints, item_genres: Floats, genres: tuple[str, ...]) -> dict[str, Mask]:
    """Slices of the targets that are in training, by the popularity of the item and by its genres.

    Args:
        relevant: [P] targets; -1 is not in training and belongs to no slice.
        item_counts: [I] training interactions.
        item_genres: [I, G] multi-hot.
        genres: names of the G genres.

    Returns:
        [P] masks. "popularity 1" to "popularity 10" are the deciles of `popularity_decile`, which don't overlap;
        "genre <name>" are the 20 most frequent genres; a target can have several. Empty slices are left out.
    """
    in_training = relevant >= 0
    decile = np.where(in_training, popularity_decile(item_counts)[relevant], -1)
    found = {name: decile == number for number, name in enumerate(DECILES)}
    targets = np.bincount(relevant[in_training], minlength=len(item_counts))
    frequency = targets @ item_genres
    for genre in np.argsort(-frequency, kind="stable")[:MOST_GENRES]:
        found[f"{GENRE}{genres[genre]}"] = in_training & (item_genres[relevant, genre] > 0)
    return {name: mask for name, mask in found.items() if mask.any()}
