"""Targets by what they are: where a model is good, which one mean over all of them hides."""

import numpy as np

from recstack.evaluation.metrics import popularity_decile
from recstack.features.arrays import Floats, Ints, Mask

DECILES = tuple(f"popularity {decile}" for decile in range(1, 11))
"""From the rarest items to the most popular ones."""

GENRE = "genre "
"""Prefix of the names of genre slices."""

MOST_GENRES = 20
"""Genre slices, those with most targets: of a vocabulary of 320 most would hold a handful of targets, and no answer."""


def target_slices(relevant: Ints, item_counts: Ints, item_genres: Floats, genres: tuple[str, ...]) -> dict[str, Mask]:
    """Slices of the targets that can be hit, by the popularity of the item and by its genres.

    Args:
        relevant: [P] targets; -1 can't be hit and is in no slice.
        item_counts: [I] training interactions.
        item_genres: [I, G] multi-hot.
        genres: names of the G genres.

    Returns:
        [P] masks. "popularity 1" to "popularity 10" are the deciles of `popularity_decile`, which don't overlap;
        "genre <name>" are the 20 most frequent genres, of which a target can carry several. Empty ones are left out.
    """
    hittable = relevant >= 0
    decile = np.where(hittable, popularity_decile(item_counts)[relevant], -1)
    found = {name: decile == number for number, name in enumerate(DECILES)}
    targets = np.bincount(relevant[hittable], minlength=len(item_counts))
    frequency = targets @ item_genres
    for genre in np.argsort(-frequency, kind="stable")[:MOST_GENRES]:
        found[f"{GENRE}{genres[genre]}"] = hittable & (item_genres[relevant, genre] > 0)
    return {name: mask for name, mask in found.items() if mask.any()}
