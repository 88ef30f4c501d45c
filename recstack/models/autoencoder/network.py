"""The network and the options of `autoencoder`, and its loss on the ratings that are hidden from it."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from recstack.features.arrays import Floats
from recstack.features.batches import ItemBatch
from recstack.models.learning.loop import TrainingBatch
from recstack.models.learning.schedule import Schedule


class Config(Schedule):
    """Chosen on held-out training ratings of MovieLens latest-small, stratified.

    RMSE there was 0.837 with one hidden layer of 200, 0.843 with 200-200 and 0.850 with 200-100-200: 610 users are too
    few for more. It was 0.854 without the features of items, and 0.865 with only the offsets.
    """

    hidden: tuple[int, ...] = (200,)
    """Width of each hidden layer."""
    dropout: float = 0.5
    """Of hidden units."""
    shown: tuple[float, float] = (0.5, 0.95)
    """In training the input holds a random share of a user's ratings, between these two; the others are predicted."""
    epochs: int = 50
    patience: int | None = 8
    held_out: float = 0.1
    """Share of the training ratings that are held back to find the number of epochs; none with `stop_after`."""
    batch_size: int = 64
    """Users a step."""
    learning_rate: float = 1e-3
    weight_decay: float = 10.0
    user_shrinkage: float = 5.0
    item_shrinkage: float = 5.0


class AutoencoderModule(nn.Module):
    """From a user's residuals, where items are rated, to the residuals of all items."""

    content: Tensor

    def __init__(self, config: Config, items: ItemBatch, counts: Floats) -> None:
        """Build for one catalogue.

        Args:
            config: sizes.
            items: the catalogue of I items.
            counts: [I] training ratings of each, which stay the same while the popularity of `items` changes.
        """
        super().__init__()
        self.config = config
        first, *others = config.hidden
        n_items = len(items)
        carried = np.sqrt(items.genres.sum(axis=1, keepdims=True).clip(min=1))
        content = np.concatenate([items.genres / carried, items.scalars, np.log1p(counts)[:, None] / 5], axis=1)
        self.register_buffer("content", torch.from_numpy(content), persistent=False)
        # The first layer in sparse form: a user rates few items of the catalogue. What all items with the same features
        # (genres, year, number of ratings) share is learned once, and holds for items that few users rated too.
        self.rated = nn.EmbeddingBag(n_items, first, mode="sum")
        self.seen = nn.EmbeddingBag(n_items, first, mode="sum")
        self.profile = nn.Linear(2 * content.shape[1], first)
        layers: list[nn.Module] = [nn.SELU(), nn.Dropout(config.dropout)]
        for before, after in zip(config.hidden, others, strict=False):
            linear = nn.Linear(before, after)
            nn.init.orthogonal_(linear.weight)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.SELU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)
        # No offset for each item: b_i is one, and shrunk. Another would overfit.
        self.items = nn.Embedding(n_items, config.hidden[-1])
        self.item_content = nn.Linear(content.shape[1], config.hidden[-1], bias=False)
        for table in (self.rated, self.seen, self.items, self.profile, self.item_content):
            nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.profile.bias)

    def forward(self, items: Tensor, residuals: Tensor, starts: Tensor, counts: Tensor) -> Tensor:
        """[B, last width] of B users from the flat lists of what they rated.

        Args:
            items: [T] rated items, user after user.
            residuals: [T] r - mu - b_u - b_i.
            starts: [B] where each user's begin.
            counts: [B] how many each has.
        """
        free = self.rated(items, starts, per_sample_weights=residuals) + self.seen(items, starts)
        kinds = torch.cat(
            [
                F.embedding_bag(items, self.content, starts, mode="sum", per_sample_weights=residuals),
                F.embedding_bag(items, self.content, starts, mode="sum"),
            ],
            1,
        )
        scale = (1 + counts[:, None]).rsqrt()
        code: Tensor = self.layers(free * scale + self.profile(kinds * scale))
        return code

    def vectors(self, items: Tensor) -> Tensor:
        """[..., last width] of items, whose product with a user's code is the residual."""
        vectors: Tensor = self.items(items) + self.item_content(self.content[items])
        return vectors


class HiddenRatingsLoss:
    """Mean squared error of the hidden ratings, given the others of the user; items without a rating don't count."""

    def __init__(self, module: AutoencoderModule, residuals: sparse.csr_array) -> None:
        """Move [U, I] residuals r - mu - b_i to the module's device, once."""
        self.module = module
        device = module.content.device
        self.starts = torch.from_numpy(residuals.indptr.astype(np.int64)).to(device)
        self.item = torch.from_numpy(residuals.indices.astype(np.int64)).to(device)
        self.residual = torch.from_numpy(residuals.data).to(device)

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """See `fit_epochs`; rows are users."""
        users = batch.rows[batch.share]
        starts = self.starts[users]
        counts = self.starts[users + 1] - starts
        row = torch.repeat_interleave(counts)
        rating = starts[row] + torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
        low, high = self.module.config.shown
        share = low + (high - low) * torch.rand(len(users), device=row.device)
        shown = torch.rand(len(row), device=row.device) < share[row]
        ratings = (self.starts[batch.rows + 1] - self.starts[batch.rows]).sum()
        return self.squared_error(row, self.item[rating], self.residual[rating], shown, len(users)) / ratings

    def squared_error(self, row: Tensor, item: Tensor, residual: Tensor, shown: Tensor, n_users: int) -> Tensor:
        """Summed over the [T] ratings that are not `shown`; `row` is the user of each, ascending."""
        module = self.module
        counts = torch.bincount(row[shown], minlength=n_users)
        own = torch.zeros(n_users, device=row.device).index_add(0, row[shown], residual[shown])
        own = own / (module.config.user_shrinkage + counts).clamp(min=1e-9)
        left = residual - own[row]
        code = module(item[shown], left[shown], counts.cumsum(0) - counts, counts)
        hidden = ~shown
        predicted = (code[row[hidden]] * module.vectors(item[hidden])).sum(1)
        return F.mse_loss(predicted.float(), left[hidden], reduction="sum")
