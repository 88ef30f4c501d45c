"""All user features of many rows at once, in NumPy; the Spark jobs and the request path call this and nothing else."""

import pyarrow as pa

from recstack import columns as c
from recstack.features.histories import Past
from recstack.features.item_genres import ItemGenres
from recstack.features.profile import genre_profile
from recstack.features.recent import recent_items
from recstack.features.scalars import FORMULAS
from recstack.features.seen import seen_items
from recstack.features.spec import schema


def user_features(past: Past, genres: ItemGenres) -> pa.Table:
    """The features of P rows, in one pass over the interactions.

    Args:
        past: what each row may see.
        genres: the catalogue's genres.

    Returns:
        P rows of `spec.schema("user")`; a row with an empty history holds nulls.
    """
    empty, binary = past.is_empty, pa.binary()
    items, ratings = recent_items(past)
    seen, seen_ratings = seen_items(past)
    columns = {
        c.GENRE_PROFILE: genre_profile(past, genres),
        c.RECENT_ITEMS: items,
        c.RECENT_RATINGS: ratings,
        c.SEEN_ITEMS: pa.array(seen, binary, mask=empty),
        c.SEEN_RATINGS: pa.array(seen_ratings, binary, mask=empty),
    }
    for name, formula in FORMULAS.items():
        values = formula(past)
        columns[name] = pa.nulls(len(empty)) if values is None else pa.array(values, mask=empty)
    return pa.table([columns[field.name].cast(field.type) for field in schema("user")], schema=schema("user"))
