"""The network of `genre_ncf` and its sizes: a user tower, an item tower, and a ranker on top of the two."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.encode import ItemBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.base import Mask


@dataclass(frozen=True)
class Config:
    """Defaults were chosen on the validation part of MovieLens-100K, global time."""

    dimension: int = 64
    recent: int = 10
    """Newest items of the history that the user tower reads, at most `spec.RECENT_LENGTH`."""
    heads: int = 2
    """Poolings of the recent items, each with its own learned fading by position."""
    hidden: int = 128
    ranker_hidden: int = 64
    candidates: int = 200
    """Best items of the retrieval that the ranker scores again."""
    ranked_negatives: int = 32
    """Candidates that the ranker learns from, beside the positive."""
    negatives: int = 4
    """Draws a positive; all rows of a batch share the batch's draws."""
    popularity_exponent: float = 0.5
    genre_prior: float = 5.0
    """Logits that a stranger's genres add to an item that carries just them; nothing is learned from it."""
    dropout: float = 0.3
    history_dropout: float = 0.2
    id_dropout: float = 0.1
    """Share of items that are trained as if unknown, so that new items get a meaningful vector."""
    batch_size: int = 512
    epochs: int = 10
    stop_after: int | None = None
    patience: int = 3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


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


class GenreNCFModule(nn.Module):
    """User tower, item tower, and a ranker that corrects the dot product of the two.

    Neural collaborative filtering (He et al., WWW 2017) with the user's embedding replaced by features: the genre
    profile, RFM scalars, and H attention poolings of the recent items.
    """

    genres: Tensor
    content: Tensor
    popularity: Tensor
    trained: Tensor
    row: Tensor
    """[I + 1] row of each item in the embeddings; padding, which is -1, takes the last one's."""

    def __init__(self, config: Config, n_genres: int, n_user_scalars: int, items: ItemBatch, trained: Mask) -> None:
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
        self.register_buffer("genres", torch.from_numpy(items.genres / carried))
        self.register_buffer("content", torch.from_numpy(content))
        self.register_buffer("popularity", torch.from_numpy(items.popularity))
        self.register_buffer("trained", torch.from_numpy(trained))
        self.unknown = catalogue
        row = np.append(np.where(trained, np.arange(catalogue), catalogue), catalogue)
        self.register_buffer("row", torch.from_numpy(row), persistent=False)
        self.n_user_scalars = n_user_scalars
        self.history_embedding = nn.Embedding(catalogue + 1, size)
        self.item_embedding = nn.Embedding(catalogue + 1, size)
        self.item_bias = nn.Embedding(catalogue + 1, 1)
        self.item_content = nn.Linear(content.shape[1], size, bias=False)
        self.popularity_weight = nn.Parameter(torch.zeros(items.popularity.shape[1]))
        # Heads start with different memories: the last item, the last few, the last dozens, all.
        fading = 2.0 * 4.0 ** torch.arange(heads, dtype=torch.float32)
        self.position = nn.Parameter(-torch.arange(min(config.recent, RECENT_LENGTH)) / fading[:, None])
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
        # The ranker's first layer in parts: a user's and an item's are computed once, not once a candidate.
        self.ranker_user = nn.Linear(size, config.ranker_hidden)
        self.ranker_item = nn.Linear(size, config.ranker_hidden, bias=False)
        self.ranker_facts = nn.Linear(3 + items.popularity.shape[1], config.ranker_hidden, bias=False)
        self.ranker = nn.Linear(config.ranker_hidden, 1, bias=False)  # all candidates alike: a bias would do nothing
        nn.init.normal_(self.history_embedding.weight, std=0.05)
        nn.init.normal_(self.item_embedding.weight, std=0.05)
        nn.init.normal_(self.item_content.weight, std=0.02)
        for parameter in (self.item_bias.weight, self.attention.weight, self.ranker.weight):
            nn.init.zeros_(parameter)

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

    def rerank(
        self,
        user: Tensor,
        genres: Tensor,
        items: Tensor,
        parts: Tensor,
        popularity: Tensor,
        scores: Tensor,
        level: Tensor,
    ) -> Tensor:
        """[B, C] corrections of the retrieval `scores` of candidates.

        Args:
            user: [B, d].
            genres: [B, G] profiles.
            items: [B, C] candidates.
            parts: [B, C, ranker_hidden] what `ranker_item` makes of the candidates' vectors.
            popularity: [B, C, 3] of the candidates.
            scores: [B, C].
            level: [B, 1] mean score of all candidates of the user, which makes scores comparable between users.
        """
        affinity = (genres[:, None] * F.embedding(items, self.genres)).sum(-1)
        facts = torch.cat([torch.stack([affinity, scores / 10, (scores - level) / 5], -1), popularity], -1)
        hidden = F.relu(self.ranker_facts(facts) + parts + self.ranker_user(user)[:, None])
        correction: Tensor = self.ranker(hidden)
        return correction.squeeze(-1)


def _pooled(embedding: nn.Embedding, rows: Tensor, weights: Tensor) -> Tensor:
    """[B, H, d] sums of L embeddings by [B, H, L] weights; no [B, L, d] of them is made."""
    bags = rows[:, None].expand_as(weights).flatten(0, 1)
    summed = F.embedding_bag(bags, embedding.weight, mode="sum", per_sample_weights=weights.flatten(0, 1))
    return summed.view(*weights.shape[:2], embedding.embedding_dim)
