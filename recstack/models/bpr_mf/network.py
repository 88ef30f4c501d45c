"""The network of `bpr_mf`: user vectors, item vectors and item biases."""

import torch
from torch import Tensor, nn


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
