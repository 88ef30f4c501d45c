"""Item-item cosine: items that the same people chose. The personal baseline that the neural model has to beat."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.search_space import Between, SearchSpace

BLOCK = 256
"""Items whose similarities are dense in memory at the same time: 256 x 60,000 float32 are 60 MB."""

TIE_BREAK = np.float32(1e-6)
"""Weight of popularity (0..1): below any similarity (a pair seen once among 100,000 interactions has 1e-5)."""


@dataclass(frozen=True)
class Config:
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time (docs/adr/0003)."""

    shrinkage: float = 5.0
    """Added to the denominator: a pair that few users share is not trusted."""
    neighbours: int = 400
    """Similar items kept of each item; more only cost time."""


class ItemItem(Recommender):
    """Item-based k-nearest neighbours on implicit feedback.

    sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage), where n counts users; the score of item i is the sum of sim over
    the user's whole history (Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004; the
    shrunk denominator as in Ferrari Dacrema et al., RecSys 2019). Without history, and among ties, popularity decides.
    """

    name: ClassVar[str] = "item_item"
    space: ClassVar[SearchSpace] = {
        "shrinkage": Between(0.1, 300.0, log=True),
        "neighbours": Between(10, 1000, log=True),
    }

    def __init__(self, similarity: sparse.csr_array, popularity: Floats) -> None:
        """Keep the sparse [I, I] similarities and the [I] popularity scaled to 0..1."""
        self.similarity = similarity
        self.popularity = popularity

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        validate: Callable[[Recommender], float] | None = None,
        report: Callable[[Progress], None] | None = None,
        checkpoint: Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> Self:
        """Count co-occurrences over all training interactions, also of users whom the training filter leaves out."""
        config = Config(**(options or {}))
        shape = (int(data.user.max(initial=-1)) + 1, len(data.items))
        chosen = sparse.csr_array((np.ones(len(data.item), dtype=np.float32), (data.user, data.item)), shape=shape)
        counts = np.asarray(chosen.sum(axis=0), dtype=np.float32)
        by_item = chosen.T.tocsr()
        blocks = [
            _neighbours(by_item[start : start + BLOCK] @ chosen, counts, start, config)
            for start in range(0, len(counts), BLOCK)
        ]
        return cls(sparse.vstack(blocks, format="csr"), counts / max(counts.max(initial=0), 1))

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] summed similarity to `UserBatch.seen`, -inf where not allowed."""
        history = sparse.csr_array(
            (np.ones(len(users.seen), dtype=np.float32), users.seen, users.seen_offsets),
            shape=(len(users), len(self.popularity)),
        )
        scores = (history @ self.similarity).toarray() + TIE_BREAK * self.popularity
        return np.where(allowed, scores, np.float32(-np.inf)).astype(np.float32, copy=False)

    def save(self, folder: Path) -> None:
        """Write `similarity.npz` and `popularity.npy`."""
        sparse.save_npz(folder / "similarity.npz", self.similarity)
        np.save(folder / "popularity.npy", self.popularity)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        return cls(sparse.load_npz(folder / "similarity.npz"), np.load(folder / "popularity.npy"))


def _neighbours(together: sparse.csr_array, counts: Floats, start: int, config: Config) -> sparse.csr_array:
    """The most similar items of items start..start+rows, whose co-occurrences `together` holds: [rows, I]."""
    rows = np.arange(together.shape[0])
    similarity = together.toarray()
    similarity[rows, start + rows] = 0.0
    norms = np.sqrt(np.maximum(counts, 1))  # an item that nobody chose is together with none
    similarity /= np.outer(norms[start + rows], norms) + np.float32(config.shrinkage)
    if config.neighbours < similarity.shape[1]:
        least = -np.partition(-similarity, config.neighbours - 1, axis=1)[:, config.neighbours - 1 : config.neighbours]
        similarity[similarity < least] = 0.0  # ties with the last neighbour stay: dropping some would be by chance
    return sparse.csr_array(similarity)
