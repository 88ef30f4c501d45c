"""The contract of models that predict ratings: recommenders whose errors in stars can be measured too."""

from abc import abstractmethod

import numpy as np

from recstack.features.arrays import Floats, Mask
from recstack.features.batches import UserBatch
from recstack.models.base import Recommender
from recstack.models.learning.biases import Biases

TIE_BREAK = np.float32(1e-4)
"""Stars between the most rated item and one that nobody rated, if a model predicts the same rating for both."""


class RatingModel(Recommender):
    """Predicts what a user would rate each item, from the ratings that the user is known to have given.

    As a recommender it ranks by predicted rating. That is weak at top-N: people choose well-known items far more often
    than they rate rare ones highly, and a model that learned only from ratings has never seen what was not chosen
    (Cremonesi, Koren, Turrin, "Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010).
    """

    biases: Biases
    """Offsets of users and items, and the rating scale."""

    def __init__(self, biases: Biases) -> None:
        """Keep the offsets."""
        self.biases = biases

    @abstractmethod
    def predict(self, users: UserBatch) -> Floats:
        """[B, I] float32 predicted ratings, finite for every user and item; they may lie outside the scale."""

    def rate(self, users: UserBatch) -> Floats:
        """[B, I] predicted ratings within the scale of the training ratings."""
        return self.predict(users).clip(self.biases.low, self.biases.high)

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] predicted ratings, also beyond the scale, -inf where not allowed; ties go to more rated items."""
        evidence = np.log1p(self.biases.counts)
        evidence /= max(float(evidence.max(initial=0.0)), 1.0)
        return np.where(allowed, self.predict(users) + TIE_BREAK * evidence, np.float32(-np.inf))
