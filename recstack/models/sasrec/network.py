"""The network and the options of `sasrec`: causal self-attention over a history, with a state after each item."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Ints
from recstack.features.batches import ItemBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.learning.schedule import Schedule


class Config(Schedule):
    """Hardly searched; see below.

    On the validation part of MovieLens-100K, global time, NDCG@10 was 0.088 with these, and 0.079 with batches of 64
    and one table of embeddings for histories and items.
    """

    dimension: int = 64
    recent: int = 50
    """Newest items of the history that are read, at most `spec.RECENT_LENGTH`."""
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.3
    negatives: int = 1024
    """Draws of a batch, which all its rows share."""
    popularity_exponent: float = 0.5
    batch_size: int = 16
    """Windows of a step, each with up to `recent` rows."""


class SASRecModule(nn.Module):
    """Stacked self-attention blocks; the state after an item is compared with the embeddings of all items.

    Kang and McAuley, "Self-attentive sequential recommendation" (ICDM 2018), section III. Unlike there, attention uses
    distances (Shaw et al., NAACL 2018) instead of positions, since windows begin anywhere in a history; an item has one
    embedding as part of a history and another as the next item; a token for the beginning stands for an empty history;
    tokens carry their ratings; and scores add a bias and popularity.
    """

    popularity: Tensor
    trained: Tensor
    distance: Tensor

    def __init__(self, config: Config, items: ItemBatch, counts: Ints) -> None:
        """Build for a catalogue of I items with [I] training interactions each."""
        super().__init__()
        self.config = config
        self.length = min(config.recent, RECENT_LENGTH)
        size, tokens = config.dimension, self.length + 1
        self.register_buffer("popularity", torch.from_numpy(items.popularity))
        self.register_buffer("trained", torch.from_numpy(counts > 0))
        position = torch.arange(tokens)
        self.register_buffer("distance", position[:, None] - position, persistent=False)
        self.history_embedding = nn.Embedding(len(counts), size)
        self.item_embedding = nn.Embedding(len(counts), size)
        share = torch.from_numpy((counts + 1) / (counts + 1).sum()).float()
        self.item_bias = nn.Parameter(share.log())
        self.popularity_weight = nn.Parameter(torch.zeros(items.popularity.shape[1]))
        self.beginning = nn.Parameter(torch.zeros(size))
        self.rating = nn.Parameter(torch.zeros(size))
        self.blocks = nn.ModuleList(AttentionBlock(config, tokens) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.history_embedding.weight, std=size**-0.5)
        nn.init.normal_(self.item_embedding.weight, std=0.05)
        with torch.no_grad():  # items that training never saw keep zeros: their bias ranks them
            self.item_embedding.weight *= self.trained[:, None]

    def forward(self, items: Tensor, ratings: Tensor) -> Tensor:
        """[W, L + 1, d] states before the first and after each of [W, L] items, oldest first, -1 pads at the end."""
        embedded = self.history_embedding(items.clamp(min=0)) + ratings[..., None] * self.rating
        x = torch.cat([self.beginning.expand(len(items), 1, -1), embedded], 1)
        x = self.dropout(x)
        distance = self.distance[: x.shape[1], : x.shape[1]]
        for block in self.blocks:
            x = block(x, distance)
        states: Tensor = self.norm(x)
        return states

    def offset(self) -> Tensor:
        """[I] what is added to every user's scores: bias, and popularity as it is known now."""
        return self.item_bias + self.popularity @ self.popularity_weight


class AttentionBlock(nn.Module):
    """Causal self-attention and a point-wise feed-forward layer, each behind a norm and beside a residual."""

    def __init__(self, config: Config, tokens: int) -> None:
        """Build for at most so many tokens."""
        super().__init__()
        size = config.dimension
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(size)
        self.projection = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)
        self.bias = nn.Parameter(torch.zeros(config.heads, tokens))
        """Of attention, by the distance of the two tokens."""
        self.feed_norm = nn.LayerNorm(size)
        self.feed = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(size, size))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        """[W, T, d] to [W, T, d]; a token sees itself and earlier ones."""
        parts = self.projection(self.attention_norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = self.bias[:, distance.clamp(min=0)].masked_fill(distance < 0, -torch.inf)
        attended = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=bias)
        x = x + self.dropout(self.output(attended.transpose(1, 2).flatten(2)))
        changed: Tensor = x + self.dropout(self.feed(self.feed_norm(x)))
        return changed
