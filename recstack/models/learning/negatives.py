"""Negative sampling on the device: one draw for a batch or one a row, never a known positive of the row's user."""

import torch
from torch import Tensor

REDRAWS = 8
"""Draws of a negative until one is no known positive."""


class NegativeSampler:
    """Draws items in proportion to popularity ** `exponent` and corrects the softmax for it.

    Every row of a batch sees all distinct items of the batch's draw. The correction subtracts the log of each item's
    probability to be in that set, 1 - (1 - q)^draws, from its logit: the sampled softmax of Bengio and Senécal
    ("Adaptive importance sampling", 2008) for a shared sample without repetitions.
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
        self._offsets = torch.searchsorted(user, torch.arange(int(user.max()) + 2, device=user.device))
        counts = torch.bincount(item, minlength=n_items).double()
        weights = torch.where(counts > 0, counts**exponent, 0.0)
        self._share = weights / weights.sum()
        self._cumulative = self._share.cumsum(0)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distinct items of `count` draws with replacement, ascending, and the log probability of each to be there."""
        uniform = torch.rand(count, dtype=torch.float64, generator=generator, device=self._cumulative.device)
        drawn = torch.searchsorted(self._cumulative, uniform * self._cumulative[-1], right=True)
        items = torch.unique(drawn.clamp(max=len(self._share) - 1))
        inclusion = -torch.expm1(count * torch.log1p(-self._share[items]))
        return items, inclusion.clamp(min=1e-12).log().float()

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


class OwnNegatives:
    """Draws negatives for each row by itself, as the pairs of binary cross-entropy need them."""

    def __init__(self, user: Tensor, item: Tensor, n_items: int, exponent: float) -> None:
        """Index the positives.

        Args:
            user: [N] dense user number of each training interaction.
            item: [N] its item.
            n_items: size of the catalogue, which is drawn from as a whole.
            exponent: 0 draws uniformly, 1 by popularity; an item that nobody chose counts as if chosen once.
        """
        self._n_items = n_items
        self._uniform = exponent == 0
        self._positives = torch.unique(user * n_items + item)
        weights = torch.bincount(item, minlength=n_items).clamp(min=1).double() ** exponent
        self._cumulative = weights.cumsum(0)

    def draw(self, users: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """[B, count] items for B users, and [B, count] where they are fit to be negatives.

        A known positive is drawn again, at most `REDRAWS` times: a user who chose nearly everything has few negatives.
        """
        first = (users * self._n_items).repeat_interleave(count)
        items = self._items(len(first), generator)
        unfit = self._known(first + items)
        for _ in range(REDRAWS - 1):
            if not len(unfit):
                break
            again = self._items(len(unfit), generator)
            items[unfit] = again
            unfit = unfit[self._known(first[unfit] + again)]
        fit = torch.ones_like(items, dtype=torch.bool)
        fit[unfit] = False
        return items.view(-1, count), fit.view(-1, count)

    def _items(self, count: int, generator: torch.Generator) -> Tensor:
        """[count] items of the whole catalogue."""
        device = self._cumulative.device
        if self._uniform:
            return torch.randint(self._n_items, (count,), generator=generator, device=device)
        uniform = torch.rand(count, dtype=torch.float64, generator=generator, device=device)
        drawn = torch.searchsorted(self._cumulative, uniform * self._cumulative[-1], right=True)
        return drawn.clamp(max=self._n_items - 1)

    def _known(self, pairs: Tensor) -> Tensor:
        """Indices of those of [M] pairs user * n_items + item that are known positives, ascending."""
        found = torch.searchsorted(self._positives, pairs).clamp(max=len(self._positives) - 1)
        known: Tensor = (self._positives[found] == pairs).nonzero().squeeze(1)
        return known
