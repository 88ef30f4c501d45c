"""Made-up ratings in bursts, with repetitions and without time, which tests compute features of in the slow way too."""

import brute_force
import numpy as np
from brute_force import DAY, Rating

N_GENRES = 6
POSITIONS = {item: [g for g in range(N_GENRES) if (item * (g + 3)) % 5 == 0] for item in range(1, 91)}
GENRES = brute_force.item_genres(POSITIONS, N_GENRES)


def made_up(n_users: int = 25, seed: int = 3) -> list[Rating]:
    """Histories of 1 to 80 ratings in bursts, many of them within the same second."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(1, n_users + 1):
        items = random.choice(sorted(POSITIONS), size=random.integers(1, 81), replace=False)
        seconds = 1_000_000_000 + random.integers(0, 12, len(items)) * DAY + random.integers(0, 3, len(items))
        ratings = random.integers(1, 11, len(items)) / 2
        rows += [Rating(person, int(i), float(r), int(s)) for i, r, s in zip(items, ratings, seconds, strict=True)]
    return rows


RATINGS = made_up()


def with_repeats() -> list[Rating]:
    """Users who come back to a few items: one with 30 interactions in 10 days, one with so many that old items go."""
    random = np.random.default_rng(5)
    rows = {}
    for person, count, days in ((1, 30, 10), (2, 1_500, 2_000), (3, 1, 1)):
        for n in range(count):
            item = int(random.integers(1, 91) if n < 60 else random.integers(1, 20))
            second = 1_000_000_000 + int(n * days / count) * DAY + int(random.integers(0, 3))
            rows[person, item, second] = Rating(person, item, float(random.integers(1, 11) / 2), second)
    return list(rows.values())


REPEATS = with_repeats()
UNDATED = [r._replace(second=None) for r in RATINGS]
