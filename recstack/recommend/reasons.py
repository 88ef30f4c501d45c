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

    def personal(self, user: UserBatch, items: Ints) -> list[list[str]]:
        """Reasons for each item for one user (a batch of one): a similar item that was liked, favourite genres."""
        liked: Ints = user.recent[0][(user.recent[0] >= 0) & (user.recent_ratings[0] >= 0)]
        profile = user.genres[0]
        best = np.argsort(-profile, kind="stable")[:FAVOURITES]
        favourites = best[profile[best] > 0]
        alike = np.mean([space[items] @ space[liked].T for space in self._spaces], axis=0)
        alike[items[:, None] == liked] = 0.0
        carried = self._catalogue.features.genres
        reasons = []
        for row, item in enumerate(items.tolist()):
            found = []
            if len(liked) and alike[row].max() > 0:
                model = liked[int(alike[row].argmax())]
                shared = self._names(np.flatnonzero(carried[item] * carried[model]))
                found.append(
                    f"because you liked {self._catalogue.titles[model]}{f' (also {shared})' if shared else ''}"
                )
            if named := self._names(favourites[carried[item, favourites] > 0]):
                found.append(f"among your favourite genres: {named}")
            reasons.append(found or self.popular(item))
        return reasons

    def popular(self, item: int) -> list[str]:
        """The number of interactions that made it popular."""
        if recent := self._catalogue.count(c.POPULARITY_30D, item):
            return [f"popular now: {recent} ratings in 30 days"]
        return [f"popular: {self._catalogue.count(c.POPULARITY_ALL, item)} ratings"]

    def _names(self, genres: Ints) -> str:
        return ", ".join(self._catalogue.encoder.genres[g] for g in genres[:FAVOURITES])


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
