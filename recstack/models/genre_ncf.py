"""Genre-aware neural collaborative filter: who you are is what you did, so strangers are scored without retraining."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recstack.features.encode import Encoder, Floats, ItemBatch, UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.base import Mask, Progress, Recommender, TrainingData
from recstack.models.fitting import Schedule, device, fit_epochs
from recstack.models.negatives import NegativeSampler

RANKED_EVERY = 4
"""The ranker is small and learns from every fourth row; more costs time and adds nothing."""


@dataclass(frozen=True)
class Config:
    """Defaults were chosen on the validation part of MovieLens-100K, global time."""

    dimension: int = 64
    heads: int = 4
    """Poolings of the recent items, each with its own learned fading by position."""
    hidden: int = 128
    ranker_hidden: int = 64
    candidates: int = 200
    """Best items of the retrieval that the ranker scores again."""
    ranked_negatives: int = 32
    """Candidates that the ranker learns from, beside the positive."""
    negatives: int = 4
    """Draws a positive; all rows of a batch share the batch's draws."""
    popularity_exponent: float = 0.5
    dropout: float = 0.3
    history_dropout: float = 0.2
    id_dropout: float = 0.1
    """Share of items that are trained as if unknown, so that new items get a meaningful vector."""
    batch_size: int = 512
    epochs: int = 10
    stop_after: int | None = None
    patience: int = 3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


class GenreNCFModule(nn.Module):
    """User tower, item tower, and a ranker that corrects the dot product of the two.

    Neural collaborative filtering (He et al., WWW 2017) with the user's embedding replaced by features: the genre
    profile, RFM scalars, and H attention poolings of the recent items.
    """

    genres: Tensor
    content: Tensor
    popularity: Tensor
    trained: Tensor

    def __init__(self, config: Config, n_genres: int, n_user_scalars: int, items: ItemBatch, trained: Mask) -> None:
        """Build for one catalogue.

        Args:
            config: sizes.
            n_genres: G.
            n_user_scalars: S.
            items: the catalogue of I items.
            trained: [I] items with training interactions; the others use the shared embedding of unknown items.
        """
        super().__init__()
        size, heads, catalogue = config.dimension, config.heads, len(items)
        self.config = config
        carried = np.sqrt(items.genres.sum(axis=1, keepdims=True).clip(min=1))
        content = np.concatenate([items.genres / carried, items.scalars], axis=1)
        self.register_buffer("genres", torch.from_numpy(items.genres / carried))
        self.register_buffer("content", torch.from_numpy(content))
        self.register_buffer("popularity", torch.from_numpy(items.popularity))
        self.register_buffer("trained", torch.from_numpy(trained))
        self.unknown = catalogue
        self.n_user_scalars = n_user_scalars
        self.history_embedding = nn.Embedding(catalogue + 1, size)
        self.item_embedding = nn.Embedding(catalogue + 1, size)
        self.item_bias = nn.Embedding(catalogue + 1, 1)
        self.item_content = nn.Linear(content.shape[1], size, bias=False)
        self.popularity_weight = nn.Parameter(torch.zeros(items.popularity.shape[1]))
        # Heads start with different memories: the last item, the last few, the last dozens, all.
        fading = 2.0 * 4.0 ** torch.arange(heads, dtype=torch.float32)
        self.position = nn.Parameter(-torch.arange(RECENT_LENGTH) / fading[:, None])
        self.rating_weight = nn.Parameter(torch.zeros(heads))
        self.attention = nn.Linear(size, heads, bias=False)
        self.head_weight = nn.Parameter(torch.full((heads, size), 1.0 / heads))
        self.profile = nn.Sequential(
            nn.Linear(n_genres + n_user_scalars + heads * size, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, size),
        )
        self.dropout = nn.Dropout(config.dropout)
        correction = nn.Linear(config.ranker_hidden, 1)
        self.ranker = nn.Sequential(
            nn.Linear(3 * size + 3 + items.popularity.shape[1], config.ranker_hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            correction,
        )
        nn.init.normal_(self.history_embedding.weight, std=0.05)
        nn.init.normal_(self.item_embedding.weight, std=0.05)
        nn.init.normal_(self.item_content.weight, std=0.02)
        for parameter in (self.item_bias.weight, self.attention.weight, *correction.parameters()):
            nn.init.zeros_(parameter)

    def users(self, genres: Tensor, scalars: Tensor, recent: Tensor, ratings: Tensor) -> Tensor:
        """[B, d] user vectors from [B, G] profiles, [B, S] scalars, [B, L] recent items (-1 pads) and ratings."""
        present = recent >= 0
        if self.training:
            present = present & (torch.rand(present.shape, device=present.device) > self.config.history_dropout)
        rows = torch.where(present, recent, self.unknown)
        embedded = self.history_embedding(
            torch.where(self.trained[rows.clamp(max=self.unknown - 1)], rows, self.unknown)
        )
        logits = (
            self.position + self.rating_weight[:, None] * ratings[:, None] + self.attention(embedded).transpose(1, 2)
        )
        weights = logits.masked_fill(~present[:, None], -1e4).softmax(-1) * present.any(1)[:, None, None]
        pooled = weights @ embedded
        vector = (pooled * self.head_weight).sum(1)
        vector = vector + self.profile(torch.cat([genres, scalars, pooled.flatten(1)], 1))
        dropped: Tensor = self.dropout(vector)
        return dropped

    def items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [..., d] and biases [...] of items."""
        rows = torch.where(self.trained[items], items, self.unknown)
        if self.training:
            hidden = torch.rand(items.shape, device=items.device) < self.config.id_dropout
            rows = torch.where(hidden, self.unknown, rows)
        return self.item_embedding(rows) + self.item_content(self.content[items]), self.item_bias(rows).squeeze(-1)

    def rerank(
        self, user: Tensor, genres: Tensor, items: Tensor, popularity: Tensor, scores: Tensor, level: Tensor
    ) -> Tensor:
        """[B, C] corrections of the retrieval `scores` of candidates.

        Args:
            user: [B, d].
            genres: [B, G] profiles.
            items: [B, C] candidates.
            popularity: [B, C, 3] of the candidates.
            scores: [B, C].
            level: [B, 1] mean score of all candidates of the user, which makes scores comparable between users.
        """
        vector = self.items(items)[0].detach()
        user = user.detach()[:, None].expand_as(vector)
        affinity = (genres[:, None] * self.genres[items]).sum(-1)
        facts = torch.stack([affinity, scores / 10, (scores - level) / 5], -1)
        correction: Tensor = self.ranker(torch.cat([user, vector, user * vector, facts, popularity], -1))
        return correction.squeeze(-1)


class GenreNCF(Recommender):
    """Dot-product retrieval over the whole catalogue, then the ranker on the best few hundred."""

    name: ClassVar[str] = "genre_ncf"

    def __init__(self, module: GenreNCFModule, best_epoch: int = 0) -> None:
        """Wrap a trained module; item vectors are computed once."""
        self.module = module.eval()
        self.best_epoch = best_epoch
        self._vectors: Tensor | None = None

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
        """Sampled softmax over the batch's shared negatives; see `Recommender.fit` and `Config`."""
        config = Config(**(options or {}))
        torch.manual_seed(seed)
        trained = np.bincount(data.item, minlength=len(data.items)) > 0
        module = GenreNCFModule(config, data.users.genres.shape[1], data.users.scalars.shape[1], data.items, trained)
        place = device()
        module.to(place)
        loss = _Loss(module, data, place)
        rows = np.flatnonzero(data.eligible)
        model = cls(module)

        def score() -> float:
            model._vectors = None
            return validate(model) if validate is not None else 0.0

        fitted = fit_epochs(
            module,
            torch.from_numpy(rows).to(place),
            loss,
            Schedule(
                config.epochs,
                config.stop_after,
                config.patience,
                config.batch_size,
                config.learning_rate,
                config.weight_decay,
            ),
            seed=seed,
            validate=score if validate is not None else None,
            report=report,
            checkpoint=checkpoint,
        )
        return cls(module, fitted.best_epoch)

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.module.config), "stop_after": self.best_epoch}

    @torch.inference_mode()
    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        """[B, I]; candidates stand above all other items, in the ranker's order."""
        module = self.module
        place = module.content.device
        genres = torch.from_numpy(users.genres).to(place)
        vector = module.users(
            genres,
            torch.from_numpy(users.scalars).to(place),
            torch.from_numpy(users.recent).to(place),
            torch.from_numpy(users.recent_ratings).to(place),
        )
        catalogue, offset = self._catalogue()
        scores = vector @ catalogue.T + offset
        scores = scores.masked_fill(~torch.from_numpy(allowed).to(place), -torch.inf)
        best, items = scores.topk(min(module.config.candidates, scores.shape[1]), dim=1)
        kept = best > -torch.inf
        best = best.masked_fill(~kept, 0.0)
        level = best.sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp(min=1)
        ranked = best + module.rerank(vector, genres, items, module.popularity[items], best, level)
        floor = ranked.masked_fill(~kept, torch.inf).amin(1, keepdim=True) - 1e-3
        scores = torch.minimum(scores, floor).scatter(1, items, ranked.masked_fill(~kept, -torch.inf))
        result: Floats = scores.float().cpu().numpy()
        return result

    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; their cosine is the model's idea of similar items."""
        vectors: Floats = self._catalogue()[0].float().cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write `config.json` and `weights.pt` (a state dict)."""
        facts = {
            "config": asdict(self.module.config),
            "best_epoch": self.best_epoch,
            "n_user_scalars": self.module.n_user_scalars,
        }
        (folder / "config.json").write_text(json.dumps(facts, indent=2))
        torch.save(self.module.state_dict(), folder / "weights.pt")

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote. Content and popularity come from `items`, as they are known now."""
        facts = json.loads((folder / "config.json").read_text())
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location="cpu")
        trained = weights["trained"].numpy()
        module = GenreNCFModule(
            Config(**facts["config"]), items.genres.shape[1], facts["n_user_scalars"], items, trained
        )
        current = {name: value for name, value in module.state_dict().items() if name in _CATALOGUE_FACTS}
        module.load_state_dict({**weights, **current})
        return cls(module.to(device()), facts["best_epoch"])

    @torch.inference_mode()
    def _catalogue(self) -> tuple[Tensor, Tensor]:
        module = self.module
        if self._vectors is None:
            everything = torch.arange(module.unknown, device=module.content.device)
            self._vectors, bias = module.items(everything)
            self._offset = bias + module.popularity @ module.popularity_weight
        return self._vectors, self._offset


_CATALOGUE_FACTS = {"genres", "content", "popularity"}


class _Loss:
    """Sampled softmax of a batch, and the ranker's own softmax over the retrieval's best."""

    def __init__(self, module: GenreNCFModule, data: TrainingData, place: torch.device) -> None:
        self.module = module
        self.genres, self.scalars, self.recent, self.ratings, self.user, self.item, self.snapshot = (
            torch.from_numpy(np.ascontiguousarray(array)).to(place)
            for array in (
                data.users.genres,
                data.users.scalars,
                data.users.recent,
                data.users.recent_ratings,
                data.user,
                data.item,
                data.snapshot,
            )
        )
        self.popularity = torch.from_numpy(data.popularity).to(place)
        exponent = module.config.popularity_exponent
        self.sampler = NegativeSampler(self.user, self.item, len(data.items), exponent)

    def __call__(self, rows: Tensor, batch_size: int, draws: torch.Generator) -> Tensor:
        module, config = self.module, self.module.config
        negatives, log_inclusion = self.sampler.draw(config.negatives * batch_size, draws)
        known = self.sampler.known(self.user[rows], negatives)
        positives, snapshot = self.item[rows], self.snapshot[rows]
        user = module.users(self.genres[rows], self.scalars[rows], self.recent[rows], self.ratings[rows])
        vectors, bias = module.items(negatives)
        own_vectors, own_bias = module.items(positives)
        trend = self.popularity @ module.popularity_weight  # [S, I]
        right = (user * own_vectors).sum(1) + own_bias + trend[snapshot, positives]
        wrong = user @ vectors.T + bias + trend[:, negatives][snapshot]
        wrong = wrong.masked_fill(known, -torch.inf)
        logits = torch.cat([right[:, None], wrong - log_inclusion], 1)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        retrieval = F.cross_entropy(logits.float(), target, reduction="sum")
        some = slice(None, None, RANKED_EVERY)  # rows come in random order
        ranking = RANKED_EVERY * self._ranking(
            rows[some], user[some], right[some].detach(), wrong[some].detach(), negatives, draws
        )
        return (retrieval + ranking) / batch_size

    def _ranking(
        self, rows: Tensor, user: Tensor, right: Tensor, wrong: Tensor, negatives: Tensor, draws: torch.Generator
    ) -> Tensor:
        """Loss of the ranker on the rows whose positive the retrieval itself ranks among its candidates.

        Others would teach it that the odd one out is right.
        """
        module, config = self.module, self.module.config
        best, column = wrong.topk(min(config.candidates, wrong.shape[1]), dim=1)
        reached = right >= best[:, -1]
        alive = best > -torch.inf
        level = best.masked_fill(~alive, 0.0).sum(1, keepdim=True) / alive.sum(1, keepdim=True).clamp(min=1)
        chosen = torch.randperm(best.shape[1], generator=draws, device=best.device)[: config.ranked_negatives]
        best, items = best[reached][:, chosen], negatives[column[reached][:, chosen]]
        rows = rows[reached]
        scores = torch.cat([right[reached][:, None], best], 1)
        dead = scores == -torch.inf
        scores = scores.masked_fill(dead, 0.0)
        items = torch.cat([self.item[rows][:, None], items], 1)
        popularity = self.popularity[self.snapshot[rows][:, None], items]
        correction = module.rerank(user[reached], self.genres[rows], items, popularity, scores, level[reached])
        logits = (scores + correction).masked_fill(dead, -torch.inf)
        target = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return F.cross_entropy(logits.float(), target, reduction="sum")
