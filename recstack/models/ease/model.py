"""EASE-R: an item-item model in closed form, hard to beat for what it costs; also a source of candidates."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy import linalg, sparse

from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.history import faded
from recstack.models.learning.search_space import Between, SearchSpace

BLOCK = 512
"""Rows of the matrix of weights that are in work at the same time."""

TIE_BREAK = np.float32(1e-6)
"""Weight of popularity (0..1): it decides where nothing is known of the user or of the item."""


@dataclass(frozen=True)
class Config:
    """Chosen on the validation parts of MovieLens-100K and MovieLens latest-small, global time."""

    regularisation: float = 300.0
    """λ of the paper."""
    fading: float = 1.0
    """The r-th newest item of a history weighs r ^ -fading in its scores; 0 is the paper's model."""
    neighbours: int = 500
    """Weights kept of each item, the largest by absolute value; the catalogue's size is the paper's model."""
    max_items: int = 20_000
    """Most popular items that are modelled; all others score as if unrelated to anything."""


class Ease(Recommender):
    """Scores are X B, where B minimises |X - X B|² + λ |B|² over the training users' rows X with a zero diagonal.

    With P = (XᵀX + λ I)⁻¹ that is B_ij = -P_ij / P_jj for i ≠ j (Steck, "Embarrassingly shallow autoencoders for
    sparse data", WWW 2019, equation 8). Who is scored is a row like X's, the whole history, in which older items may
    weigh less. Without history popularity decides.

    The inverse takes about n³ multiplications and 4 n² bytes for n items, a minute and 1.6 GB for 20,000 of them. Of a
    larger catalogue the most popular `Config.max_items` are modelled.
    """

    name: ClassVar[str] = "ease"
    space: ClassVar[SearchSpace] = {"regularisation": Between(10.0, 3000.0, log=True), "fading": Between(0.0, 2.0)}

    def __init__(self, weights: sparse.csr_array, popularity: Floats, fading: float) -> None:
        """Keep the sparse [I, I] weights B, row i for item i of the history, and the [I] popularity scaled to 0..1."""
        self.weights = weights
        self.popularity = popularity
        self.fading = fading

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
        """Solve for all training interactions, also of users whom the training filter leaves out.

        In data without time there is no newest item, and nothing fades.
        """
        config = Config(**(options or {}))
        n_items = len(data.items)
        counts = np.bincount(data.item, minlength=n_items).astype(np.float32)
        modelled = np.sort(np.argsort(-counts, kind="stable")[: config.max_items])
        modelled = modelled[counts[modelled] > 0]
        shape = (int(data.user.max(initial=-1)) + 1, n_items)
        chosen = sparse.csr_array((np.ones(len(data.item), dtype=np.float32), (data.user, data.item)), shape=shape)
        weights = _solve(chosen[:, modelled], config).tocoo()
        placed = (weights.data, (modelled[weights.row], modelled[weights.col]))
        timed = bool((data.timestamp != data.timestamp[:1]).any())
        return cls(
            sparse.csr_array(placed, shape=(n_items, n_items)),
            counts / max(counts.max(initial=0), 1),
            config.fading if timed else 0.0,
        )

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I] history times weights, -inf where not allowed."""
        history = faded(users, len(self.popularity), self.fading)
        scores = (history @ self.weights).toarray() + TIE_BREAK * self.popularity
        return np.where(allowed, scores, np.float32(-np.inf)).astype(np.float32, copy=False)

    def save(self, folder: Path) -> None:
        """Write `weights.npz`, `popularity.npy` and `fading.json`."""
        sparse.save_npz(folder / "weights.npz", self.weights)
        np.save(folder / "popularity.npy", self.popularity)
        (folder / "fading.json").write_text(json.dumps(self.fading))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote."""
        fading = json.loads((folder / "fading.json").read_text())
        return cls(sparse.load_npz(folder / "weights.npz"), np.load(folder / "popularity.npy"), fading)


def _solve(chosen: sparse.csr_array, config: Config) -> sparse.csr_array:
    """[n, n] weights of the n items of the [U, n] interactions; float32, and in place, as the matrix is large."""
    n_items = chosen.shape[1]
    by_item = chosen.T.tocsr()
    matrix = np.empty((n_items, n_items), dtype=np.float32, order="F")
    for start in range(0, n_items, BLOCK):  # symmetric, so that columns are as good as rows
        matrix[:, start : start + BLOCK] = (by_item[start : start + BLOCK] @ chosen).toarray().T
    matrix[np.diag_indices(n_items)] += np.float32(config.regularisation)
    matrix = linalg.inv(matrix, overwrite_a=True, assume_a="pos")
    diagonal = matrix.diagonal().copy()
    blocks = []
    for start in range(0, n_items, BLOCK):
        block = matrix[:, start : start + BLOCK].T / -diagonal
        rows = np.arange(len(block))
        block[rows, start + rows] = 0.0
        blocks.append(sparse.csr_array(_largest(block, config.neighbours)))
    return sparse.vstack(blocks, format="csr")


def _largest(block: Floats, count: int) -> Floats:
    """Zero all but the `count` largest of each row by absolute value; ties with the last stay."""
    if count < block.shape[1]:
        least = -np.partition(-np.abs(block), count - 1, axis=1)[:, count - 1 : count]
        block[np.abs(block) < least] = 0.0
    return block
