"""What the ranker of `fusion` reads: one row a user, one column a candidate."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.models.fusion.sources.base import KnownInteractions, Relations
from recstack.models.fusion.sources.co_occurrence import CoOccurrence, Side
from recstack.models.fusion.sources.content import content, unit_genres
from recstack.models.fusion.sources.cosine import CosineRelations
from recstack.models.fusion.sources.ease import EaseRelations
from recstack.models.fusion.sources.popular import AtThisStage, stage, trending
from recstack.models.fusion.sources.related import HistoryItems, RelatedItems
from recstack.models.fusion.sources.retrieval import Retrieval
from recstack.progress import track

RELATIONS: tuple[Relations, ...] = (
    EaseRelations({"ease": 300.0}),
    CosineRelations(),
    CoOccurrence({"soon_after": Side("forward"), "shortly_before": Side("backward")}),
    CoOccurrence({"after": Side("forward", "cosine")}, window=40, decay=0.93),
    CoOccurrence({"around_recent": Side("both", "cosine", 2.0)}, window=30, decay=0.93, half_life=0.25),
)
"""Chosen on blocks of time before the test parts of MovieLens-100K and latest-small: see benchmarks/NOTES.md."""
NAMES = tuple(name for relations in RELATIONS for name in relations.names)
DECAYS = np.array([0.8, 0.75, 0.7, 0.7, 0.8, 0.8], dtype=np.float32)
"""Of each relation: the r-th newest item of the history weighs decay ^ r."""
BY_NEWEST = tuple(NAMES.index(name) for name in ("around_recent", "ease"))
"""The first of these relations that relates anything chooses candidates by the newest items of the history."""
BY_ALL = tuple(NAMES.index(name) for name in ("ease", "cosine"))
"""Relations to the whole history; the first one chooses candidates too."""
HALF_LIVES = (0.005, 0.02, 0.08, 0.3)
"""Ages at which an interaction counts half, in trends: shares of all interactions, see `trending`."""
TRENDING = 0.02
"""The one of them that tells what is popular now."""
USERS_AT_ONCE, CELLS = 128, 4_000_000
"""Users whose candidates are looked up at once, and users times items, at most: both bound memory."""
TOP = 10
"""A source's scores are divided by the mean of the user's ten best, because the scale of counts grows with the log."""


class CandidateTable(NamedTuple):
    """B users and their K candidates."""

    candidates: Ints
    """[B, K] positions, ascending."""
    alive: Mask
    """[B, K] False where there are fewer than K candidates."""
    inputs: Floats
    """[B, K, F] of each candidate."""
    context: Floats
    """[B, C] of each user."""
    affinity: Floats
    """[B, K] cosine of the user's genre profile and the candidate's genres."""


class Limits(NamedTuple):
    """What bounds the memory and the time of learning."""

    neighbours: int
    """Related items kept of each item."""
    interactions: int
    """Items are related by so many interactions at most, see `KnownInteractions.sample`."""
    older: int
    """Items of a history beyond the recent ones, at most, see `HistoryItems.of`."""


@dataclass(frozen=True)
class FusionInputs:
    """Fitted sources, item facts from the same past, and the catalogue."""

    related: RelatedItems
    facts: Floats
    """[I, H + 3] see `_facts`."""
    stages: Floats
    """[STAGES, I] see `AtThisStage`."""
    items: ItemBatch
    older: int
    """See `Limits`."""

    @classmethod
    def fit(cls, past: KnownInteractions, items: ItemBatch, limits: Limits) -> Self:
        """Fit every source to `past`; `items` as they were known at its end."""
        some = past.sample(limits.interactions)
        learned = [
            matrix
            for relations in track(RELATIONS, "fusion: relating items", unit="relation")
            for matrix in relations.learn(some, limits.neighbours)
        ]
        related = RelatedItems.join(learned, some.counts, limits.neighbours)
        return cls(related, _facts(past), AtThisStage().learn(past), items, limits.older)

    def batches(self, count: int) -> Iterator[slice]:
        """Slices of `count` users that are looked up at once."""
        size = min(USERS_AT_ONCE, max(1, CELLS // max(len(self.items), 1)))
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    @cached_property
    def genres(self) -> Floats:
        """[I, G] rows of length 1."""
        return unit_genres(self.items)

    @cached_property
    def own(self) -> Floats:
        """[I, ...] the inputs that are the same for all users."""
        return np.concatenate([self.facts, self.items.popularity, self.items.scalars], axis=1).astype(np.float32)

    @cached_property
    def retrieval(self) -> Retrieval:
        """What chooses candidates."""
        newest = next((name for name in BY_NEWEST if self.related.typical[name] > 0), BY_NEWEST[-1])
        trend, count = np.exp(self.facts[:, HALF_LIVES.index(TRENDING)]), self.facts[:, len(HALF_LIVES)]
        popularity = 0.1 * trend / max(trend.max(initial=0), 1e-9) + 0.05 * count / max(count.max(initial=0), 1e-9)
        return Retrieval.of(
            self.related.relation(newest),
            tuple(self.related.relation(column) for column in BY_ALL),
            popularity.astype(np.float32),
            self.genres,
        )

    def table(self, users: UserBatch, allowed: Mask, count: int, prior: Floats | None = None) -> CandidateTable:
        """The `count` best candidates of the retrieval (fewer in a smaller catalogue), and the ranker's inputs.

        Args:
            users: B users.
            allowed: [B, I].
            count: K.
            prior: [B] weight of the genre prior in the retrieval.
        """
        history = HistoryItems.of(users, self.older, len(self.items))
        found = self.retrieval.candidates(users, history, allowed, count, prior)
        chosen, alive = found.positions, found.alive
        scores = np.concatenate([self.related.scores(history, DECAYS, found.slots), found.by_all], axis=2)
        fit = content(users, self.items, self.genres, chosen)
        known = users.known
        at_stage = self.stages[stage(known)[:, None], chosen][:, :, None]
        inputs = np.concatenate([*_relative(scores), fit, at_stage, self.own[chosen]], axis=2)
        inputs[~alive] = 0.0
        context = np.concatenate([users.scalars, np.log1p(known)[:, None], known[:, None] == 0], axis=1)
        return CandidateTable(chosen, alive, inputs, context.astype(np.float32), fit[:, :, 0])

    def likeness(self, items: Ints) -> sparse.csr_array:
        """[K, I] cosines of items by the users who chose them."""
        return self.related.of(NAMES.index("cosine"), items)

    def save(self, folder: Path) -> None:
        """Write `facts.npy`, `stages.npy` and the files of `RelatedItems.save`."""
        self.related.save(folder)
        np.save(folder / "facts.npy", self.facts)
        np.save(folder / "stages.npy", self.stages)

    @classmethod
    def load(cls, folder: Path, items: ItemBatch, older: int) -> Self:
        """Read what `save` wrote; genres and popularity come from `items`, as they are known now."""
        return cls(
            RelatedItems.load(folder), np.load(folder / "facts.npy"), np.load(folder / "stages.npy"), items, older
        )


def _facts(past: KnownInteractions) -> Floats:
    """[I, H + 3]: trends by `HALF_LIVES`, log count, mean rating (shrunk to the mean of all), age of the oldest."""
    counts = past.counts
    mean = past.rating.mean() if len(past.rating) else 0.0
    rating = (np.bincount(past.item, past.rating, minlength=past.n_items) + 5 * mean) / (counts + 5)
    age = np.zeros(past.n_items, dtype=np.float32)
    np.maximum.at(age, past.item, past.age)
    trends = [trending(past, half_life) for half_life in HALF_LIVES]
    facts: Floats = np.stack([*trends, np.log1p(counts), rating, age], axis=1).astype(np.float32)
    return facts


def _relative(scores: Floats) -> tuple[Floats, Floats]:
    """[B, K, C] scores over the mean of the user's best ones, and the logarithm of that."""
    values = scores.clip(min=0)
    top = min(TOP, values.shape[1])
    best = np.partition(values.transpose(0, 2, 1), values.shape[1] - top, axis=2)[:, :, values.shape[1] - top :]
    unit = best.mean(axis=2)[:, None]
    share = np.divide(values, unit, out=np.zeros_like(values), where=unit > 0)
    return share, np.log(share + np.float32(0.02))
