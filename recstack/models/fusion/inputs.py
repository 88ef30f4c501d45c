"""The sources of `fusion` and the table that its ranker reads: one row a user, one column a candidate."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.models.fusion.sources.base import CandidateSource, KnownInteractions
from recstack.models.fusion.sources.co_occurrence import CoOccurrence
from recstack.models.fusion.sources.content import genre_affinity, likeness_to_recent
from recstack.models.fusion.sources.cosine import CosineSource
from recstack.models.fusion.sources.ease import EaseSource
from recstack.models.fusion.sources.item_to_item import ItemToItem
from recstack.models.fusion.sources.popular import AtThisStage, Trending
from recstack.progress import track

SOURCES: Mapping[str, CandidateSource] = {
    "ease": EaseSource(recency_decay=0.8, base=0.05),
    "ease_whole_history": EaseSource(recency_decay=0.8, base=1.0),
    "ease_light": EaseSource(recency_decay=0.0, base=1.0, regularisation=50.0),
    "cosine": CosineSource(recency_decay=0.75),
    "cosine_whole_history": CosineSource(recency_decay=0.0, base=1.0),
    "next": CoOccurrence(recency_decay=0.5, direction="forward", window=1),
    "soon_after": CoOccurrence(recency_decay=0.7, direction="forward"),
    "shortly_before": CoOccurrence(recency_decay=0.7, direction="backward"),
    "after": CoOccurrence(direction="forward", window=40, decay=0.93, scale="cosine"),
    "before": CoOccurrence(direction="backward", window=40, decay=0.93, scale="cosine"),
    "around": CoOccurrence(recency_decay=0.95, window=40, decay=0.93, scale="cosine"),
    "around_recent": CoOccurrence(window=30, decay=0.93, scale="cosine", shrinkage=2.0, half_life=0.25),
    "around_many": CoOccurrence(recency_decay=0.85, window=40, decay=0.93, scale="log"),
    "hot": Trending(half_life=0.005),
    "trending": Trending(half_life=0.02),
    "popular_recently": Trending(half_life=0.08),
    "popular": Trending(half_life=0.3),
    "stage": AtThisStage(),
}
"""Chosen on blocks of time before the test parts of MovieLens-100K and latest-small: see benchmarks/NOTES.md."""

_RECIPES = {SOURCES[name].recipe(): name for name in reversed(list(SOURCES))}
"""Each matrix that has to be learned once, with the first source that uses it."""

RELATED = [name for name, source in SOURCES.items() if isinstance(source, ItemToItem)]
OTHERS = [name for name in SOURCES if name not in RELATED]
RETRIEVING = (
    "ease",
    "ease_whole_history",
    "ease_light",
    "soon_after",
    "shortly_before",
    "after",
    "around_recent",
    "cosine",
)
"""Sources whose sum chooses the candidates."""

FACTS = ("interactions", "rating", "age")
TOP = 10
"""A source's scores are divided by the mean of the user's ten best, because the scale of counts grows with the log."""


class CandidateTable(NamedTuple):
    """B users and their K candidates."""

    candidates: Ints
    """[B, K] positions, in no order."""
    alive: Mask
    """[B, K] False where fewer than K items are allowed."""
    inputs: Floats
    """[B, K, F] of each candidate."""
    context: Floats
    """[B, C] of each user."""
    retrieval: Floats
    """[B, I] scores that chose the candidates, -inf where not allowed."""


@dataclass(frozen=True)
class FusionInputs:
    """Fitted sources, item facts from the same past, and the catalogue."""

    sources: Mapping[str, CandidateSource]
    facts: Floats
    """[I, 3] `FACTS`."""
    items: ItemBatch

    @classmethod
    def fit(cls, past: KnownInteractions, items: ItemBatch) -> Self:
        """Fit every source to `past`; `items` as they were known at its end."""
        learned = {recipe: recipe.learn(past) for recipe in track(_RECIPES, "fusion: fitting sources", unit="source")}
        sources = {name: source.with_learned(learned[source.recipe()]) for name, source in SOURCES.items()}
        return cls(sources, _facts(past), items)

    def table(self, users: UserBatch, allowed: Mask, count: int, prior: Floats | None = None) -> CandidateTable:
        """The `count` best candidates of the retrieval (fewer in a smaller catalogue), and the ranker's inputs.

        Args:
            users: B users.
            allowed: [B, I].
            count: K.
            prior: [B, I] added to the retrieval.
        """
        scores = {name: source.score(users) for name, source in self.sources.items()}
        retrieval = 0.1 * _unit(np.exp(scores["trending"])) + 0.05 * _unit(self.facts[None, :, 0])
        for name in RETRIEVING:
            retrieval = retrieval + _unit(np.where(allowed, scores[name], 0.0).clip(min=0))
        if prior is not None:
            retrieval = retrieval + prior
        retrieval = np.where(allowed, retrieval, -np.inf).astype(np.float32)
        count = min(count, len(self.items))
        # Ascending, so that the result does not depend on the order that the partition leaves.
        chosen = np.sort(np.argpartition(-retrieval, count - 1, axis=1)[:, :count], axis=1)
        alive = np.take_along_axis(retrieval, chosen, axis=1) > -np.inf

        def of(values: Floats) -> Floats:
            return np.where(alive, np.take_along_axis(values, chosen, axis=1), 0.0)

        columns = [each for name in RELATED for each in _relative(of(scores[name]))]
        columns += [of(scores[name]) for name in OTHERS]
        columns += [of(genre_affinity(users, self.items)), *(of(e) for e in likeness_to_recent(users, self.items))]
        own = np.concatenate([self.facts, self.items.popularity, self.items.scalars], axis=1)[chosen]
        inputs = np.concatenate([np.stack(columns, axis=2), own], axis=2).astype(np.float32)
        return CandidateTable(chosen, alive, inputs, _context(users), retrieval)

    def save(self, folder: Path) -> None:
        """Write `source_<name>.npz` of each matrix, by the first source that uses it, and `facts.npy`."""
        for name in _RECIPES.values():
            sparse.save_npz(folder / f"source_{name}.npz", self.sources[name].matrix)
        np.save(folder / "facts.npy", self.facts)

    @classmethod
    def load(cls, folder: Path, items: ItemBatch) -> Self:
        """Read what `save` wrote; genres and popularity come from `items`, as they are known now."""
        learned = {recipe: sparse.load_npz(folder / f"source_{name}.npz") for recipe, name in _RECIPES.items()}
        sources = {name: source.with_learned(learned[source.recipe()]) for name, source in SOURCES.items()}
        return cls(sources, np.load(folder / "facts.npy"), items)


def _context(users: UserBatch) -> Floats:
    """[B, S + 2] the user's scalars, the length of the history, and whether it is empty."""
    known = np.diff(users.seen_offsets)[:, None]
    return np.concatenate([users.scalars, np.log1p(known), known == 0], axis=1).astype(np.float32)


def _facts(past: KnownInteractions) -> Floats:
    """[I, 3] `FACTS`: log count, mean rating (shrunk to the mean of all), age of the oldest interaction."""
    counts = past.counts
    mean = past.rating.mean() if len(past.rating) else 0.0
    rating = (np.bincount(past.item, past.rating, minlength=past.n_items) + 5 * mean) / (counts + 5)
    age = np.zeros(past.n_items, dtype=np.float32)
    np.maximum.at(age, past.item, past.age)
    facts: Floats = np.stack([np.log1p(counts), rating, age], axis=1).astype(np.float32)
    return facts


def _unit(values: Floats) -> Floats:
    """Divided by each row's maximum; zeros stay."""
    most = values.max(axis=1, keepdims=True)
    shares: Floats = np.divide(values, most, out=np.zeros_like(values), where=most > 0)
    return shares


def _relative(values: Floats) -> tuple[Floats, Floats]:
    """[B, K] scores over the mean of the row's best ones, and the logarithm of that."""
    values = values.clip(min=0)
    top = min(TOP, values.shape[1])
    unit = -np.partition(-values, top - 1, axis=1)[:, :top].mean(axis=1, keepdims=True)
    share = np.divide(values, unit, out=np.zeros_like(values), where=unit > 0)
    return share, np.log(share + 0.02)
