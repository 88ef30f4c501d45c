"""Sequential recommender: what comes next after the items of a history, in the order in which they were chosen."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recstack.features.arrays import Floats, Mask
from recstack.features.encode import Encoder, ItemBatch, UserBatch
from recstack.models.base import Progress, Recommender, TrainingData
from recstack.models.learning.loop import Batch, device, eligible_rows, fit_epochs
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.learning.search_space import Between, SearchSpace
from recstack.models.learning.windows import Windows, known_first, windows
from recstack.models.sasrec.network import Config, SASRecModule


class SASRec(Recommender):
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018) with a softmax over many negatives.

    One negative a positive, as in the paper, makes the model overconfident; with cross-entropy over many it is the
    strongest of its kind (Klenitskiy and Vasilev, "Turning dross into gold loss", RecSys 2023).
    """

    name: ClassVar[str] = "sasrec"
    space: ClassVar[SearchSpace] = {
        "blocks": Between(1, 3),
        "dropout": Between(0.1, 0.5),
        "popularity_exponent": Between(0.0, 1.0),
        "learning_rate": Between(5e-4, 5e-3, log=True),
        "weight_decay": Between(1e-5, 1e-1, log=True),
    }

    def __init__(self, module: SASRecModule, best_epoch: int = 0) -> None:
        """Wrap a trained module."""
        self.module = module.eval()
        self.best_epoch = best_epoch

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        validate: Callable[[Recommender], float] | None = None,
        report: Callable[[Progress], None] | None = None,
        checkpoint: Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> Self:
        """Softmax over the batch's shared negatives; see `Recommender.fit` and `Config`.

        Raises:
            UserError: no row is eligible, or the checkpoint is of another model.
        """
        rows = eligible_rows(data, cls.name).numpy()
        config = Config(**(options or {}))
        torch.manual_seed(seed)
        counts = np.bincount(data.item, minlength=len(data.items))
        module = SASRecModule(config, data.items, counts)
        cut = windows(data, rows, counts > 0, module.length, np.random.default_rng(seed))
        place = device()
        module.to(place)
        model = cls(module)
        fitted = fit_epochs(
            module,
            torch.arange(len(cut), device=place),
            NextItemLoss(module, data, cut, place),
            config,
            seed=seed,
            validate=None if validate is None else lambda: validate(model),
            report=report,
            checkpoint=checkpoint,
        )
        return cls(module, fitted.best_epoch)

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.module.config), "stop_after": self.best_epoch}

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; items that training never saw are ranked by popularity, and skipped in histories."""
        module = self.module
        place = module.popularity.device
        trained = module.trained.cpu().numpy()
        recent, ratings = known_first(users.recent, users.recent_ratings, trained, module.length)
        lengths = (recent >= 0).sum(axis=1)
        order = (lengths[:, None] - 1 - np.arange(recent.shape[1])) % recent.shape[1]  # oldest first, then the padding
        items, values = (
            torch.from_numpy(np.take_along_axis(array, order, axis=1)).to(place) for array in (recent, ratings)
        )
        states = module(items, values)[torch.arange(len(users)), torch.from_numpy(lengths)]
        scores: Floats = torch.addmm(module.offset(), states, module.item_embedding.weight.T).float().cpu().numpy()
        return np.where(allowed, scores, np.float32(-np.inf))

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; their cosine is the model's idea of similar items."""
        vectors: Floats = self.module.item_embedding.weight.detach().float().cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write `config.json` and `weights.pt` (a state dict)."""
        facts = {"config": asdict(self.module.config), "best_epoch": self.best_epoch}
        (folder / "config.json").write_text(json.dumps(facts, indent=2))
        torch.save(self.module.state_dict(), folder / "weights.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote. Popularity comes from `items`, as it is known now."""
        facts = json.loads((folder / "config.json").read_text())
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location="cpu")
        module = SASRecModule(Config(**facts["config"]), items, weights["trained"].numpy().astype(np.int64))
        module.load_state_dict({**weights, "popularity": module.popularity})
        return cls(module.to(device()), facts["best_epoch"])


class NextItemLoss:
    """Sampled softmax of the item that followed each history, all rows of a window in one pass."""

    def __init__(self, module: SASRecModule, data: TrainingData, cut: Windows, place: torch.device) -> None:
        """Move windows and training rows to where the module is, once."""
        self.module = module
        self.items, self.ratings, self.offsets, self.rows, self.lengths = (
            torch.from_numpy(array).to(place) for array in (cut.items, cut.ratings, cut.offsets, cut.rows, cut.lengths)
        )
        self.user, self.item, self.snapshot, self.popularity = (
            torch.from_numpy(array).to(place) for array in (data.user, data.item, data.snapshot, data.popularity)
        )
        self.sampler = NegativeSampler(self.user, self.item, len(data.items), module.config.popularity_exponent)

    def __call__(self, batch: Batch) -> Tensor:
        """See `fit_epochs`; its rows are windows here."""
        module = self.module
        total = (self.offsets[batch.rows + 1] - self.offsets[batch.rows]).sum()
        negatives, log_inclusion = self.sampler.draw(module.config.negatives, batch.draws)
        cut = batch.rows[batch.share]
        first = self.offsets[cut]
        sizes = self.offsets[cut + 1] - first
        window = torch.repeat_interleave(sizes)
        member = torch.arange(len(window), device=cut.device) + (first - sizes.cumsum(0) + sizes)[window]
        rows = self.rows[member]
        positives, snapshot = self.item[rows], self.snapshot[rows]
        state = module(self.items[cut], self.ratings[cut])[window, self.lengths[member]]

        embedding, bias, weight = module.item_embedding, module.item_bias, module.popularity_weight
        right = (state * embedding(positives)).sum(1) + bias[positives] + self.popularity[snapshot, positives] @ weight
        present, place = torch.unique(snapshot, return_inverse=True)
        trend = self.popularity[present[:, None], negatives] @ weight
        wrong = torch.addmm(F.embedding(place, trend + bias[negatives] - log_inclusion), state, embedding(negatives).T)
        known = torch.zeros(len(cut), len(negatives), dtype=torch.bool, device=cut.device)
        known[self.sampler.known(self.user[self.rows[first]], negatives)] = True
        logits = torch.cat([right[:, None], wrong.masked_fill(known[window], -torch.inf)], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum") / total
