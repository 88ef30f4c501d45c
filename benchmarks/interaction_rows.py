"""Rows of `training_throughput.py`: made-up interactions, and `Dataset`s of them as a first-time user writes them."""

import random

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.features.spec import ITEM_SCALARS, POPULARITIES, RECENT_LENGTH, USER_SCALARS
from recstack.models.genre_ncf.network import Config
from recstack.models.training_data import TrainingData

BATCH = 256
N_USERS, N_ITEMS, N_GENRES, N_ROWS = 1_000, 2_000, 20, 50_000
CONFIG = Config(batch_size=BATCH)


def made_up() -> TrainingData:
    """Interactions in the layout of real ones; nothing can be learned from them, which costs the same time."""
    draw = np.random.default_rng(0)
    user = np.sort(draw.integers(0, N_USERS, N_ROWS))
    item = (N_ITEMS * draw.random(N_ROWS) ** 3).astype(np.int64)  # few items are popular
    items = ItemBatch(
        (draw.random((N_ITEMS, N_GENRES)) < 0.1).astype(np.float32),
        draw.normal(size=(N_ITEMS, len(ITEM_SCALARS))).astype(np.float32),
        draw.random((N_ITEMS, len(POPULARITIES))).astype(np.float32),
    )
    users = UserBatch(
        draw.normal(size=(N_ROWS, N_GENRES)).astype(np.float32),
        draw.normal(size=(N_ROWS, len(USER_SCALARS))).astype(np.float32),
        draw.integers(0, N_ITEMS, (N_ROWS, RECENT_LENGTH)),
        draw.normal(size=(N_ROWS, RECENT_LENGTH)).astype(np.float32),
        np.zeros(N_ROWS + 1, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.float16),
        user,
    )
    return TrainingData(
        encoder=Encoder(np.arange(N_ITEMS), tuple(f"genre {i}" for i in range(N_GENRES)), {}, {}),
        items=items,
        user=user,
        item=item,
        rating=np.full(N_ROWS, 4, dtype=np.float32),
        timestamp=np.arange(N_ROWS),
        users=users,
        popularity=items.popularity[None],
        snapshot=np.zeros(N_ROWS, dtype=np.int64),
        eligible=np.ones(N_ROWS, dtype=bool),
    )


class Interactions(Dataset[dict[str, Tensor]]):
    """A row is an interaction with its user's features and its own negatives."""

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self.positives: list[set[int]] = [set() for _ in range(N_USERS)]
        for user, item in zip(data.user.tolist(), data.item.tolist(), strict=True):
            self.positives[user].add(item)
        counts = np.bincount(data.item, minlength=N_ITEMS)
        self.cumulative = np.cumsum(counts**CONFIG.popularity_exponent).tolist()

    def __len__(self) -> int:
        return len(self.data.item)

    def negative(self, user: int) -> int:
        """An item by popularity that the user does not know."""
        while True:
            item = random.choices(range(N_ITEMS), cum_weights=self.cumulative)[0]
            if item not in self.positives[user]:
                return item

    def features(self, row: int) -> dict[str, Tensor]:
        """Everything of the row but its negatives."""
        data = self.data
        return {
            "row": torch.tensor(row),
            "genres": torch.from_numpy(data.users.genres[row]),
            "scalars": torch.from_numpy(data.users.scalars[row]),
            "recent": torch.from_numpy(data.users.recent[row]),
            "ratings": torch.from_numpy(data.users.recent_ratings[row]),
            "user": torch.tensor(data.user[row]),
            "item": torch.tensor(data.item[row]),
            "snapshot": torch.tensor(data.snapshot[row]),
        }

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        user = int(self.data.user[row])
        negatives = [self.negative(user) for _ in range(CONFIG.negatives)]
        return {**self.features(row), "negatives": torch.tensor(negatives)}


class Pairs(Interactions):
    """A row is a (user, item, label): each interaction once, and once more for each of its negatives."""

    def __len__(self) -> int:
        return super().__len__() * (1 + CONFIG.negatives)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row, negative = divmod(number, 1 + CONFIG.negatives)
        found = self.features(row)
        if negative:
            found["item"] = torch.tensor(self.negative(int(self.data.user[row])))
        return {**found, "label": torch.tensor(float(negative == 0))}


class FrameRows(Pairs):
    """The same rows out of a pandas frame by `iloc`, as PyTorch's own tutorial on datasets reads its labels."""

    def __init__(self, data: TrainingData) -> None:
        super().__init__(data)
        self.frame = pd.DataFrame(
            {
                "genres": list(data.users.genres),
                "scalars": list(data.users.scalars),
                "recent": list(data.users.recent),
                "ratings": list(data.users.recent_ratings),
                "user": data.user,
                "item": data.item,
                "snapshot": data.snapshot,
            }
        )

    def features(self, row: int) -> dict[str, Tensor]:
        """As above, a column at a time."""
        found = self.frame.iloc[row]
        return {name: torch.as_tensor(found[name]) for name in self.frame.columns} | {"row": torch.tensor(row)}
