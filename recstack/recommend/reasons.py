"""Why an item is recommended, in short sentences made of facts alone."""

from typing import Protocol, runtime_checkable

import numpy as np

from recstack import columns as c
from recstack.features.encode import Floats, Ints, UserBatch
from recstack.models.base import Recommender
from recstack.recommend.catalogue import Catalogue

FAVOURITES = 3


@runtime_checkable
class HasItemVectors(Protocol):
    """A model that places items in a space where near means alike."""

    @property
    def item_vectors(self) -> Floats:
        """[I, D] one vector an item, of any length."""


class Reasons:
    """Finds the fact that links a user to an item."""

    def __init__(self, catalogue: Catalogue, model: Recommender) -> None:
        """Prepare unit vectors: genres, and the model's own item vectors if it has them."""
        self._catalogue = catalogue
        self._spaces = [_unit(catalogue.features.genres)]
        if isinstance(model, HasItemVectors):
            self._spaces.append(_unit(np.asarray(model.item_vectors, dtype=np.float32)))

    def personal(self, user: UserBatch, item: int) -> list[str]:
        """Reasons for one user (a batch of one): a similar item that was liked, and favourite genres."""
        found = [*self._similar(user, item), *self._favourites(user, item)]
        return found or self.popular(item)

    def popular(self, item: int) -> list[str]:
        """The number of interactions that made it popular."""
        if recent := self._catalogue.count(c.POPULARITY_30D, item):
            return [f"popular now: {recent} ratings in 30 days"]
        return [f"popular: {self._catalogue.count(c.POPULARITY_ALL, item)} ratings"]

    def _similar(self, user: UserBatch, item: int) -> list[str]:
        liked: Ints = user.recent[0][(user.recent[0] >= 0) & (user.recent_ratings[0] >= 0) & (user.recent[0] != item)]
        if not len(liked):
            return []
        similarity = np.mean([space[liked] @ space[item] for space in self._spaces], axis=0)
        best = int(np.argmax(similarity))
        if similarity[best] <= 0:
            return []
        genres = self._catalogue.features.genres
        shared = self._names(np.flatnonzero(genres[item] * genres[liked[best]]))
        return [f"because you liked {self._catalogue.titles[liked[best]]}" + (f" (also {shared})" if shared else "")]

    def _favourites(self, user: UserBatch, item: int) -> list[str]:
        profile = user.genres[0]
        best = np.argsort(-profile, kind="stable")[:FAVOURITES]
        named = self._names(np.array([g for g in best if profile[g] > 0 and self._catalogue.features.genres[item, g]]))
        return [f"among your favourite genres: {named}"] if named else []

    def _names(self, genres: Ints) -> str:
        return ", ".join(self._catalogue.encoder.genres[g] for g in genres[:FAVOURITES])


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
