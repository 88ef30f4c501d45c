"""NCF as tutorials train it: a row-wise `Dataset` with negatives drawn in Python, a `DataLoader`, Adam."""

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from recstack.features.arrays import Ints
from recstack.models.neumf.network import Config, NeuMFModule

BATCH, LEARNING_RATE = 512, 1e-3
CONFIG = Config()


class TensorRows(Dataset[tuple[object, ...]]):
    """Users, items and labels as three tensors, of which a row is read at a time; negatives by `np.random.choice`.

    The form of the tutorials on NCF in PyTorch that draw an epoch's negatives when the `Dataset` is made.
    """

    def __init__(self, user: Ints, item: Ints, n_items: int) -> None:
        """Draw the negatives of an epoch."""
        self.catalogue = np.arange(n_items)
        known = set(zip(user.tolist(), item.tolist(), strict=True))
        rows: list[tuple[int, int, float]] = []
        for mine, chosen in zip(user.tolist(), item.tolist(), strict=True):
            rows.append((mine, chosen, 1.0))
            for _ in range(CONFIG.negatives):
                other = self.negative()
                while (mine, other) in known:
                    other = self.negative()
                rows.append((mine, other, 0.0))
        self.keep(rows)

    def negative(self) -> int:
        """Some item."""
        return np.random.choice(self.catalogue)  # type: ignore[no-any-return]  # noqa: NPY002

    def keep(self, rows: list[tuple[int, int, float]]) -> None:
        """In the form that `__getitem__` reads."""
        users, items, labels = zip(*rows, strict=True)
        self.columns: Sequence[Tensor] = (torch.tensor(users), torch.tensor(items), torch.tensor(labels))

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, number: int) -> tuple[object, ...]:
        return tuple(column[number] for column in self.columns)


class ListRows(TensorRows):
    """As fast as it gets row by row: a list of tuples of numbers, negatives by `random.randrange`."""

    def negative(self) -> int:
        """Some item."""
        return random.randrange(len(self.catalogue))

    def keep(self, rows: list[tuple[int, int, float]]) -> None:
        """As they are."""
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[object, ...]:
        return self.rows[number]


class FrameRows(TensorRows):
    """Rows of a pandas frame by `iloc`, as PyTorch's own tutorial on datasets reads its labels."""

    def keep(self, rows: list[tuple[int, int, float]]) -> None:
        """In a frame."""
        self.frame = pd.DataFrame(rows, columns=["user", "item", "label"])

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, number: int) -> tuple[object, ...]:
        row = self.frame.iloc[number]
        return int(row["user"]), int(row["item"]), float(row["label"])


class Network(nn.Module):
    """NeuMF as in the paper's figure 3: two embeddings of each side, one MLP over the concatenation."""

    def __init__(self, n_users: int, n_items: int) -> None:
        """Of the sizes of our `neumf`, and with its start values."""
        super().__init__()
        factors, first = CONFIG.factors, CONFIG.factors * 2 ** (CONFIG.layers - 1)
        self.gmf_user, self.gmf_item = nn.Embedding(n_users, factors), nn.Embedding(n_items, factors)
        self.mlp_user, self.mlp_item = nn.Embedding(n_users, first), nn.Embedding(n_items, first)
        tower: list[nn.Module] = [nn.Linear(2 * first, first), nn.ReLU()]
        for size in (first // 2**layer for layer in range(CONFIG.layers - 1)):
            tower += [nn.Linear(size, size // 2), nn.ReLU()]
        self.mlp = nn.Sequential(*tower)
        self.logit = nn.Linear(2 * factors, 1)
        for embedding in (self.gmf_user, self.gmf_item, self.mlp_user, self.mlp_item):
            nn.init.normal_(embedding.weight, std=0.01)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """[B] logits."""
        product = self.gmf_user(user) * self.gmf_item(item)
        hidden = self.mlp(torch.cat([self.mlp_user(user), self.mlp_item(item)], 1))
        logits: Tensor = self.logit(torch.cat([product, hidden], 1)).squeeze(1)
        return logits

    @torch.no_grad()
    def into(self, ours: NeuMFModule) -> None:
        """Give `ours` the same weights; an item that nobody chose has a row of its own here, and none there."""
        ours.user.weight.copy_(torch.cat([self.gmf_user.weight, self.mlp_user.weight], 1))
        ours.item.weight[:-1] = torch.cat([self.gmf_item.weight, self.mlp_item.weight], 1)
        ours.row.copy_(torch.arange(len(ours.row)))
        first, *layers = (layer for layer in self.mlp if isinstance(layer, nn.Linear))
        user, item = first.weight.chunk(2, 1)
        factors = CONFIG.factors
        linear = [layer for layer in ours.mlp if isinstance(layer, nn.Linear)]
        ours.mlp_user.weight.copy_(user)
        ours.mlp_item.weight.copy_(item)
        ours.mlp_user.bias.copy_(first.bias)
        for mine, theirs in zip(linear, layers, strict=False):
            mine.weight.copy_(theirs.weight)
            mine.bias.copy_(theirs.bias)
        ours.gmf.weight.copy_(self.logit.weight[:, :factors])
        linear[-1].weight.copy_(self.logit.weight[:, factors:])
        linear[-1].bias.copy_(self.logit.bias)


class Tutorial:
    """A network in training: an epoch is one pass over a `Dataset` made for it."""

    def __init__(self, rows: type[TensorRows], user: Ints, item: Ints, shape: tuple[int, int]) -> None:
        """Learn from the pairs of `user` [N] and `item` [N] of a log of `shape` users and items."""
        self.rows, self.user, self.item, self.shape = rows, user, item, shape
        self.network = Network(*shape)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)

    def loader(self) -> DataLoader[tuple[object, ...]]:
        """Batches of a new epoch."""
        rows = self.rows(self.user, self.item, self.shape[1])
        return DataLoader(rows, batch_size=BATCH, shuffle=True)

    def epoch(self) -> None:
        """Learn from every interaction and its negatives once."""
        device = self.network.logit.weight.device
        for user, item, chosen in self.loader():
            self.optimizer.zero_grad()
            logits = self.network(user.to(device), item.to(device))
            F.binary_cross_entropy_with_logits(logits, chosen.float().to(device)).backward()
            self.optimizer.step()
