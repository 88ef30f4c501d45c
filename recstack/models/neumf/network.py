"""The network and the options of `neumf`: two ways to compare a user with an item, and vectors of new users."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Mask
from recstack.models.learning.schedule import Schedule


class Config(Schedule):
    """Sizes are those of the authors' code; batch and learning rate are the best of seven tried on two seeds.

    On the validation part of MovieLens-100K, leave-last-out-99, they gave NDCG@10 0.403.
    """

    factors: int = 8
    """Length f of the vectors that the two branches end with."""
    layers: int = 3
    """Hidden layers of the MLP branch: 4f, 2f, f for 3; its embeddings are as long as the first."""
    negatives: int = 4
    """Of each positive, drawn anew in each epoch."""
    popularity_exponent: float = 0.0
    """0 draws negatives uniformly, 1 by popularity."""
    ridge: float = 1.0
    """Penalty of the regression from a history to a user's vector, for new users."""
    batch_size: int = 1024
    """Positives of a step."""
    epochs: int = 12
    learning_rate: float = 1e-2
    weight_decay: float = 0.0


class NeuMFModule(nn.Module):
    """Generalised matrix factorisation and a multi-layer perceptron, each with embeddings of its own.

    logit(u, i) = h . [p_u * q_i, MLP([p'_u, q'_i])] (He et al., "Neural collaborative filtering", WWW 2017, equation
    12). A row of the embeddings holds the D numbers of both branches, GMF first.
    """

    row: Tensor
    """[I] row of each item; items that training never saw share the last one, which is only ever a negative."""
    mean_user: Tensor
    mean_history: Tensor
    fold_in: Tensor
    """[D, D] from the mean item vector of a history to a user vector, both less their means."""

    def __init__(self, config: Config, n_users: int, trained: Mask) -> None:
        """Build for the users of the training part and a catalogue of I items, of which `trained` [I] occur there."""
        super().__init__()
        factors = config.factors
        first = factors * 2 ** (config.layers - 1)
        width = factors + first
        self.config = config
        self.register_buffer("row", torch.from_numpy(np.where(trained, np.arange(len(trained)), len(trained))))
        self.register_buffer("mean_user", torch.zeros(width))
        self.register_buffer("mean_history", torch.zeros(width))
        self.register_buffer("fold_in", torch.zeros(width, width))
        self.user = nn.Embedding(n_users, width)
        self.item = nn.Embedding(len(trained) + 1, width)
        self.gmf = nn.Linear(factors, 1, bias=False)
        self.mlp_user = nn.Linear(first, first)
        self.mlp_item = nn.Linear(first, first, bias=False)
        tower: list[nn.Module] = [nn.ReLU(inplace=True)]
        for size in (first // 2**layer for layer in range(config.layers - 1)):
            tower += [nn.Linear(size, size // 2), nn.ReLU(inplace=True)]
        self.mlp = nn.Sequential(*tower, nn.Linear(factors, 1))
        nn.init.normal_(self.user.weight, std=0.01)
        nn.init.normal_(self.item.weight, std=0.01)

    def forward(self, users: "Projected", items: "Projected") -> Tensor:
        """[B, K] logits of [B, 1, ...] users and [B, K, ...] items, or [1, K, ...] of the same items for all."""
        logits: Tensor = self.gmf(users.gmf * items.gmf) + self.mlp(users.hidden + items.hidden)
        return logits[..., 0]

    def project_users(self, vectors: Tensor) -> "Projected":
        """First layer of the branches for [..., D] user vectors."""
        factors = self.config.factors
        return Projected(vectors[..., :factors], self.mlp_user(vectors[..., factors:]))

    def project_items(self, vectors: Tensor) -> "Projected":
        """First layer of the branches for [..., D] item vectors."""
        factors = self.config.factors
        return Projected(vectors[..., :factors], self.mlp_item(vectors[..., factors:]))

    def catalogue(self) -> "Projected":
        """All I items, for all users."""
        return self.project_items(self.item.weight).take(self.row[None])

    def pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """[B, K] logits of [B] rows of the user embedding and [B, K] items."""
        mine = self.project_users(self.user.weight.index_select(0, users)[:, None])
        rows, table = self.row.take(items), self.item.weight
        if rows.numel() > len(table):  # each item once, instead of each pair
            theirs = self.project_items(table).take(rows)
        else:
            theirs = self.project_items(table.index_select(0, rows.flatten()).view(*rows.shape, table.shape[1]))
        return self.forward(mine, theirs)

    @torch.no_grad()
    def learn_fold_in(self, offsets: Tensor, items: Tensor) -> None:
        """Fit the ridge regression from the training users' histories to their vectors.

        Args:
            offsets: [U + 1] into `items`.
            items: the items of each user of the embedding, user after user.
        """
        histories, users = self._histories(offsets, items), self.user.weight
        self.mean_user, self.mean_history = users.mean(0), histories.mean(0)
        x, y = (histories - self.mean_history).double(), (users - self.mean_user).double()
        # In units of the vectors' own spread, so that the same penalty suits embeddings of any scale.
        penalty = self.config.ridge * x.square().sum().clamp(min=1e-12) / x.shape[1] * torch.eye(x.shape[1]).to(x)
        self.fold_in = torch.linalg.solve(x.T @ x + penalty, x.T @ y).float()

    def new_users(self, offsets: Tensor, items: Tensor) -> Tensor:
        """[B, D] vectors of users that training never saw; without a history that of the mean user."""
        lengths = offsets.diff()[:, None]
        moved = (self._histories(offsets, items) - self.mean_history) @ self.fold_in
        return self.mean_user + moved * lengths / (lengths + SHORT)

    def _histories(self, offsets: Tensor, items: Tensor) -> Tensor:
        """[B, D] mean item vector of each history."""
        return F.embedding_bag(self.row[items], self.item.weight, offsets[:-1], mode="mean")


class Projected(NamedTuple):
    """Users or items after the first layer of the MLP, which is a sum of a user's part and an item's."""

    gmf: Tensor
    """[..., f]."""
    hidden: Tensor
    """[..., 4f] the part of the first layer, before the parts are added."""

    def take(self, rows: Tensor) -> "Projected":
        """Those of some rows, in the shape of `rows`; a CPU sums gradients of `index_select` fastest."""
        flat, shape = rows.flatten(), rows.shape
        return Projected(*(part.index_select(0, flat).view(*shape, part.shape[1]) for part in self))


SHORT = 5
"""A history of n items moves a new user n / (n + SHORT) of the way from the mean user."""
