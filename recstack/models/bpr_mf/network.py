"""The network of `bpr_mf`, and the vectors of users that it was not trained on."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from recstack.features.arrays import Floats


class BprModule(nn.Module):
    """What is learned."""

    def __init__(self, n_users: int, n_items: int, dimension: int) -> None:
        """Small random vectors, no biases."""
        super().__init__()
        self.user = nn.Embedding(n_users, dimension)
        self.item = nn.Embedding(n_items, dimension)
        self.bias = nn.Parameter(torch.zeros(n_items))
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """[B, K] scores of [B, K] items for [B] users."""
        # Gradients of `index_select` are summed faster on a CPU than those of an embedding or an index.
        flat = items.flatten()
        vectors = self.item.weight.index_select(0, flat).view(*items.shape, self.item.embedding_dim)
        products = (self.user.weight.index_select(0, users)[:, None] * vectors).sum(-1)
        scores: Tensor = products + self.bias.index_select(0, flat).view(items.shape)
        return scores


def history_means(history: sparse.csr_array, vectors: Floats) -> Floats:
    """[B, d + 1] weighted mean of each history's item vectors, and a 1.

    Args:
        history: [B, I] weights of the items of each history.
        vectors: [I, d] item vectors.
    """
    weights = np.asarray(history.sum(axis=1), dtype=np.float32).reshape(-1, 1)
    mean = (history @ vectors) / np.maximum(weights, np.finfo(np.float32).tiny)
    return np.append(mean, np.ones_like(weights), axis=1)


def ridge_regression(histories: Floats, users: Floats, penalty: float) -> Floats:
    """[d + 1, d] ridge regression of the [U, d] user vectors on their [U, d + 1] histories.

    The penalty is in mean squares of the histories' entries.
    """
    inputs = histories.astype(np.float64)
    left = inputs.T @ inputs
    left += penalty * np.trace(left) / len(left) * np.eye(len(left))
    found: Floats = np.linalg.solve(left, inputs.T @ users).astype(np.float32)
    return found
