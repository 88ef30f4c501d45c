"""Why an item is recommended: short sentences that state facts about the user's history and the item."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from recstack import columns as c
from recstack.features.arrays import Floats, Ints
from recstack.features.batches import UserBatch
from recstack.models.base import Recommender
from recstack.recommend.catalogue import Catalogue

FAVOURITES = 3


@runtime_checkable
class HasItemVectors(Protocol):
    """A model with a vector for each item; similar items have similar vectors."""

    @property
    def item_vectors(self) -> Floats:
        """[I, D] one vector for each item, of any length."""


@runtime_checkable
class RelatesItems(Protocol):
    """A model that computes itself how similar items are."""

    def likeness(self, items: Ints, others: Ints) -> Floats:
        """[K, L] from 0, nothing in common, to 1, for K items and L others."""


class Reasons:
    """Finds the reasons that link a user to an item."""

    def __init__(self, catalogue: Catalogue, model: Recommender, liked_from: float) -> None:
        """Prepare the similarity of items: by their genres, and by the model where it offers one.

        Args:
            catalogue: the items.
            model: the model whose answers are explained.
            liked_from: lowest rating of an item that counts as liked.
        """
        self._catalogue = catalogue
        self._liked_from = liked_from
        self._likeness = [_cosine(catalogue.features.genres)]
        if isinstance(model, HasItemVectors):
            self._likeness.append(_cosine(np.asarray(model.item_vectors, dtype=np.float32)))
        elif isinstance(model, RelatesItems):
            self._likeness.append(model.likeness)

    def personal(self, user: UserBatch, items: Ints) -> list[list[str]]:
        """Reasons for each item for one user (a batch of one): a similar item that the user liked, favourite genres."""
        good = set(user.seen[user.seen_ratings >= self._liked_from].tolist())
        liked: Ints = np.array([item for item in user.recent[0].tolist() if item in good], dtype=np.int64)
        profile = user.genres[0]
        best = np.argsort(-profile, kind="stable")[:FAVOURITES]
        favourites = best[profile[best] > 0].tolist()
        alike = np.mean([likeness(items, liked) for likeness in self._likeness], axis=0)
        alike[items[:, None] == liked] = 0.0
        closest = liked[alike.argmax(axis=1)].tolist() if len(liked) else [-1] * len(items)
        related = (alike.max(axis=1, initial=0.0) > 0).tolist()
        reasons = []
        for item, like, is_related in zip(items.tolist(), closest, related, strict=True):
            found, genres = [], self._genres_of(item)
            if is_related:
                shared = self._names(sorted(set(genres) & set(self._genres_of(like))))
                found.append(f"because you liked {self._catalogue.titles[like]}{f' (also {shared})' if shared else ''}")
            if named := self._names([genre for genre in favourites if genre in genres]):
                found.append(f"among your favourite genres: {named}")
            reasons.append(found or self.popular(item))
        return reasons

    def popular(self, item: int) -> list[str]:
        """How many ratings made the item popular."""
        if recent := self._catalogue.count(c.POPULARITY_30D, item):
            return [f"popular now: {recent} ratings in 30 days"]
        return [f"popular: {self._catalogue.count(c.POPULARITY_ALL, item)} ratings"]

    def _genres_of(self, item: int) -> list[int]:
        """Positions of an item's genres in the vocabulary."""
        lists = self._catalogue.item_genres
        genres: list[int] = lists.indices[lists.offsets[item] : lists.offsets[item + 1]].tolist()
        return genres

    def _names(self, genres: Sequence[int]) -> str:
        return ", ".join(self._catalogue.encoder.genres[genre] for genre in genres[:FAVOURITES])


def _cosine(vectors: Floats) -> Callable[[Ints, Ints], Floats]:
    """Cosines of K items and L others by their [I, D] vectors; 0 for vectors of length 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)

    def unit(some: Ints) -> Floats:
        rows: Floats = vectors[some] * inverse[some]
        return rows

    def likeness(items: Ints, others: Ints) -> Floats:
        cosines: Floats = unit(items) @ unit(others).T
        return cosines

    return likeness
