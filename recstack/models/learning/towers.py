"""The two towers of `genre_ncf` and `two_tower`: users from their features, items from their ids and features."""

from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Mask
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.schedule import Schedule


class TowerConfig(Schedule):
    """Defaults were chosen on the validation part of MovieLens-100K, global time."""

    dimension: int = 64
    recent: int = 10
    """Newest items of the history that the user tower reads, at most `spec.RECENT_LENGTH`."""
    heads: int = 2
    """Poolings of the recent items, each with its own learned weight of each position."""
    hidden: int = 128
    dropout: float = 0.3
    history_dropout: float = 0.2
    id_dropout: float = 0.1
    """Share of items that are trained as if unknown, so that new items get a meaningful vector."""
    popularity_exponent: float = 0.5
    """Negatives are drawn in proportion to popularity to this power."""


class Dropout(nn.Module):
    """`nn.Dropout` from uniform draws, which a CPU makes in half the time of Bernoulli ones."""

    def __init__(self, share: float) -> None:
        """Zero this share of the values in training."""
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape and expectation."""
        if not self.training:
            return values
        return values * (torch.rand_like(values) >= self.share) / (1 - self.share)


class Towers(nn.Module):
    """User vectors and item vectors whose dot product, plus the item's offset, is the score.

    The user's embedding is replaced by features: the genre profile, RFM scalars, and H attention poolings of the recent
    items. `initialise` sets the start values of training.
    """

    genres: Tensor
    content: Tensor
    popularity: Tensor
    trained: Tensor
    row: Tensor
    """[I + 1] row of each item in the embeddings; padding, which is -1, takes the last one's."""

    def __init__(
        self, config: TowerConfig, n_genres: int, n_user_scalars: int, items: ItemBatch, trained: Mask
    ) -> None:
        """Build for one catalogue.

        Args:
            config: sizes.
            n_genres: G.
            n_user_scalars: S.
            items: the catalogue of I items.
            trained: [I] items with training interactions; the others use the shared embedding of unknown items.
        """
        super().__init__()
        size, heads, catalogue = config.dimension, config.heads, len(items)
        self.config = config
        carried = np.sqrt(items.genres.sum(axis=1, keepdims=True).clip(min=1))
        content = np.concatenate([items.genres / carried, items.scalars], axis=1)
        self.register_buffer("content", torch.from_numpy(content))
        self.register_buffer("genres", self.content[:, : items.genres.shape[1]])  # the same memory
        self.register_buffer("popularity", torch.from_numpy(items.popularity))
        self.register_buffer("trained", torch.from_numpy(trained))
        self.unknown = catalogue
        row = np.append(np.where(trained, np.arange(catalogue), catalogue), catalogue)
        self.register_buffer("row", torch.from_numpy(row), persistent=False)
        self.history_embedding = nn.Embedding(catalogue + 1, size)
        self.item_embedding = nn.Embedding(catalogue + 1, size)
        self.item_bias = nn.Embedding(catalogue + 1, 1)
        self.item_content = nn.Linear(content.shape[1], size, bias=False)
        self.popularity_weight = nn.Parameter(torch.zeros(items.popularity.shape[1]))
        # Heads start with memories of different length: the last item, the last few, the last dozens, all.
        memory = 2.0 * 4.0 ** torch.arange(heads, dtype=torch.float32)
        self.position = nn.Parameter(-torch.arange(min(config.recent, RECENT_LENGTH)) / memory[:, None])
        self.rating_weight = nn.Parameter(torch.zeros(heads))
        self.attention = nn.Embedding(catalogue + 1, heads)
        self.head_weight = nn.Parameter(torch.full((heads, size), 1.0 / heads))
        self.profile = nn.Sequential(
            nn.Linear(n_genres + n_user_scalars + heads * size, config.hidden),
            nn.GELU(),
            Dropout(config.dropout),
            nn.Linear(config.hidden, size),
        )
        self.dropout = Dropout(config.dropout)

    def initialise(self) -> None:
        """Start values of the embeddings."""
        nn.init.normal_(self.history_embedding.weight, std=0.05)
        nn.init.normal_(self.item_embedding.weight, std=0.05)
        nn.init.normal_(self.item_content.weight, std=0.02)
        nn.init.zeros_(self.item_bias.weight)
        nn.init.zeros_(self.attention.weight)

    def users(self, genres: Tensor, scalars: Tensor, recent: Tensor, ratings: Tensor) -> Tensor:
        """[B, d] user vectors from [B, G] profiles, [B, S] scalars, [B, L] recent items (-1 pads) and ratings."""
        newest = self.position.shape[1]
        recent, ratings = recent[:, :newest], ratings[:, :newest]
        present = recent >= 0
        if self.training:
            present = present & (torch.rand(present.shape, device=present.device) > self.config.history_dropout)
        rows = torch.where(present, self.row[recent], self.unknown)
        logits = self.position + self.rating_weight[:, None] * ratings[:, None] + self.attention(rows).transpose(1, 2)
        weights = logits.masked_fill(~present[:, None], -1e4).softmax(-1) * present.any(1)[:, None, None]
        pooled = _pooled(self.history_embedding, rows, weights)
        vector = (pooled * self.head_weight).sum(1)
        vector = vector + self.profile(torch.cat([genres, scalars, pooled.flatten(1)], 1))
        dropped: Tensor = self.dropout(vector)
        return dropped

    def items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [..., d] and biases [...] of items."""
        rows = self.row[items]
        if self.training:
            hidden = torch.rand(items.shape, device=items.device) < self.config.id_dropout
            rows = torch.where(hidden, self.unknown, rows)
        return self.item_embedding(rows) + self.item_content(F.embedding(items, self.content)), self.item_bias(
            rows
        ).squeeze(-1)

    def encode(self, users: UserBatch) -> Tensor:
        """[B, d] user vectors of a batch of users."""
        arrays = (users.genres, users.scalars, users.recent, users.recent_ratings)
        return self.users(*(torch.from_numpy(array).to(self.content.device) for array in arrays))

    def catalogue(self) -> tuple[Tensor, Tensor]:
        """Vectors [I, d] and offsets [I], which are bias and popularity, of all items."""
        vectors, bias = self.items(torch.arange(self.unknown, device=self.content.device))
        return vectors, bias + self.popularity @ self.popularity_weight

    @classmethod
    def load(cls, weights: dict[str, Tensor], config: TowerConfig, n_user_scalars: int, items: ItemBatch) -> Self:
        """The module with these weights, and with content and popularity from `items`, as they are known now."""
        module = cls(config, items.genres.shape[1], n_user_scalars, items, weights["trained"].numpy())
        current = {name: value for name, value in module.state_dict().items() if name in _CATALOGUE_FACTS}
        module.load_state_dict({**weights, **current})
        return module


_CATALOGUE_FACTS = {"genres", "content", "popularity"}


def _pooled(embedding: nn.Embedding, rows: Tensor, weights: Tensor) -> Tensor:
    """[B, H, d] sums of L embeddings by [B, H, L] weights; no [B, L, d] of them is made."""
    bags = rows[:, None].expand_as(weights).flatten(0, 1)
    summed = F.embedding_bag(bags, embedding.weight, mode="sum", per_sample_weights=weights.flatten(0, 1))
    return summed.view(*weights.shape[:2], embedding.embedding_dim)
