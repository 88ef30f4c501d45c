"""The network and the options of `genre_ncf`: two towers, and a ranker on top of them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.arrays import Mask
from recstack.features.batches import ItemBatch
from recstack.models.learning.towers import TowerConfig, Towers


class Config(TowerConfig):
    """Defaults were chosen on the validation part of MovieLens-100K, global time."""

    ranker_hidden: int = 64
    candidates: int = 200
    """Best items of the retrieval that the ranker scores again."""
    ranked_negatives: int = 32
    """Candidates that the ranker learns from, beside the positive."""
    negatives: int = 4
    """Draws a positive; all rows of a batch share the batch's draws."""
    genre_prior: float = 5.0
    """Logits that the genres of a user without history add to an item that carries just them; it is not learned."""


class GenreNCFModule(Towers):
    """User tower, item tower, and a ranker that corrects the dot product of the two.

    Neural collaborative filtering (He et al., WWW 2017) with the user's embedding replaced by features.
    """

    config: Config

    def __init__(self, config: Config, n_genres: int, n_user_scalars: int, items: ItemBatch, trained: Mask) -> None:
        """See `Towers`."""
        super().__init__(config, n_genres, n_user_scalars, items, trained)
        # The ranker's first layer in parts: a user's and an item's are computed once, not once a candidate.
        self.ranker_user = nn.Linear(config.dimension, config.ranker_hidden)
        self.ranker_item = nn.Linear(config.dimension, config.ranker_hidden, bias=False)
        self.ranker_facts = nn.Linear(3 + items.popularity.shape[1], config.ranker_hidden, bias=False)
        self.ranker = nn.Linear(config.ranker_hidden, 1, bias=False)  # a bias would be the same for all candidates

    def initialise(self) -> None:
        """Start values: the ranker changes nothing at first."""
        super().initialise()
        nn.init.zeros_(self.ranker.weight)

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
            parts: [B, C, ranker_hidden] `ranker_item` of the candidates' vectors.
            popularity: [B, C, 3] of the candidates.
            scores: [B, C].
            level: [B, 1] mean score of all candidates of the user, which makes scores comparable between users.
        """
        affinity = (genres[:, None] * F.embedding(items, self.genres)).sum(-1)
        facts = torch.cat([torch.stack([affinity, scores / 10, (scores - level) / 5], -1), popularity], -1)
        hidden = F.relu(self.ranker_facts(facts) + parts + self.ranker_user(user)[:, None])
        correction: Tensor = self.ranker(hidden)
        return correction.squeeze(-1)
