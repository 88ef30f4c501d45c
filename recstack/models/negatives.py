"""Negative sampling on the device: a draw a batch or a row, uniform or by popularity, never a known positive."""

import torch
from torch import Tensor


class NegativeSampler:
    """Draws items in proportion to popularity ** `exponent` and corrects the softmax for it.

    With `draw` every row of a batch sees all distinct items of the batch's draw. The correction subtracts the log of
    each item's probability to be in that set, 1 - (1 - q)^draws, from its logit: the sampled softmax of Bengio and
    Senécal ("Adaptive importance sampling", 2008) for a shared sample without repetitions. With `own` each row has
    negatives of its own, for pairwise losses.
    """

    def __init__(self, user: Tensor, item: Tensor, n_items: int, exponent: float) -> None:
        """Index the positives.

        Args:
            user: [N] dense user number of each training interaction, ascending.
            item: [N] its item.
            n_items: size of the catalogue.
            exponent: 0 draws uniformly among the items of the training part, 1 by popularity.
        """
        self._item = item
        self._pairs = (user * n_items + item).sort().values
        self._offsets = torch.searchsorted(user, torch.arange(int(user.max()) + 2, device=user.device))
        counts = torch.bincount(item, minlength=n_items).double()
        weights = torch.where(counts > 0, counts**exponent, 0.0)
        self._share = weights / weights.sum()
        self._cumulative = self._share.cumsum(0)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distinct items of `count` draws with replacement, ascending, and the log probability of each to be there."""
        items = torch.unique(self._drawn((count,), generator))
        inclusion = -torch.expm1(count * torch.log1p(-self._share[items]))
        return items, inclusion.clamp(min=1e-12).log().float()

    def own(self, users: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """[B, count] items drawn for each row by itself, and True where one is no known positive of the row's user."""
        drawn = self._drawn((len(users), count), generator)
        pairs = users[:, None] * len(self._share) + drawn
        place = torch.searchsorted(self._pairs, pairs).clamp(max=len(self._pairs) - 1)
        return drawn, self._pairs[place] != pairs

    def known(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Rows b and columns m of the [B, M] pairs where item m of distinct `items` is a known positive of user b."""
        start = self._offsets[users]
        lengths = self._offsets[users + 1] - start
        row = torch.repeat_interleave(lengths)
        first = start - lengths.cumsum(0) + lengths  # of a user's positives, less the number of positives before
        positives = self._item[first[row] + torch.arange(len(row), device=users.device)]
        column = torch.full_like(self._share, -1, dtype=torch.long)
        column[items] = torch.arange(len(items), device=items.device)
        column = column[positives]
        hit = column >= 0
        return row[hit], column[hit]

    def _drawn(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        uniform = torch.rand(shape, dtype=torch.float64, generator=generator, device=self._cumulative.device)
        drawn = torch.searchsorted(self._cumulative, uniform * self._cumulative[-1], right=True)
        return drawn.clamp(max=len(self._share) - 1)
