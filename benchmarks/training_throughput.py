"""Interactions learned from in a second: our fit against row-wise `DataLoader` loops; see README.md beside it."""

import random
import time
from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from interaction_rows import BATCH, CONFIG, N_GENRES, N_ITEMS, N_ROWS, FrameRows, Interactions, Pairs, made_up
from side_by_side import compare, interleaved
from torch import Tensor
from torch.utils.data import DataLoader

from recstack.features.spec import USER_SCALARS
from recstack.models.base import FitContext
from recstack.models.genre_ncf.model import RANKED_BATCHES, SampledLoss
from recstack.models.genre_ncf.network import GenreNCFModule
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.negatives import NegativeSampler
from recstack.models.training_data import TrainingData

BATCHES, ROUNDS = 40, 7


def network(data: TrainingData) -> GenreNCFModule:
    torch.manual_seed(0)
    return GenreNCFModule(CONFIG, N_GENRES, len(USER_SCALARS), data.items, np.ones(N_ITEMS, dtype=bool)).train()


def optimizer_of(module: GenreNCFModule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay, fused=True)


class Drawn:
    """Stands in for the sampler's draw with negatives that rows come with; `known` stays the sampler's."""

    def __init__(self, sampler: NegativeSampler, negatives: Tensor) -> None:
        self.known = sampler.known
        self.items = negatives.unique()

    def draw(self, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """The rows' negatives; their correction is left out on both sides."""
        return self.items, torch.zeros(len(self.items))


def whole(rows: Tensor, number: int) -> TrainingBatch:
    """A batch of one process."""
    return TrainingBatch(number, rows, slice(0, len(rows)), torch.Generator().manual_seed(number))


def collated_loss(loss: SampledLoss, sampler: NegativeSampler, batch: dict[str, Tensor], number: int) -> Tensor:
    """The very loss of our fit, on a batch that a `DataLoader` put together."""
    for name in ("genres", "scalars", "recent", "ratings", "user", "item", "snapshot"):
        setattr(loss, name, batch[name])
    loss.sampler = Drawn(sampler, batch["negatives"])  # type: ignore[assignment]
    size = len(batch["row"])
    return loss(whole(torch.arange(size), number))


def pair_loss(module: GenreNCFModule, batch: dict[str, Tensor], number: int) -> Tensor:
    """Binary cross-entropy of retrieval on each (user, item, label), and of the ranker in as many batches as ours."""
    item, chosen = batch["item"], batch["label"]
    user = module.users(batch["genres"], batch["scalars"], batch["recent"], batch["ratings"])
    vectors, bias = module.items(item)
    score = (user * vectors).sum(1) + bias + module.popularity[item] @ module.popularity_weight
    retrieval = F.binary_cross_entropy_with_logits(score, chosen)
    if number % RANKED_BATCHES:
        return retrieval
    alone = score.detach()[:, None]
    parts = module.ranker_item(vectors.detach())[:, None]
    popularity = module.popularity[item][:, None]
    ranked = alone + module.rerank(user.detach(), batch["genres"], item[:, None], parts, popularity, alone, alone)
    return retrieval + F.binary_cross_entropy_with_logits(ranked.squeeze(1), chosen)


def check(data: TrainingData) -> str:
    """Both sides take the same steps when they are given the same batches."""
    ours, theirs = network(data), network(data)
    resident, collated = (
        SampledLoss(ours, data, np.arange(len(data.item))),
        SampledLoss(theirs, data, np.arange(len(data.item))),
    )
    sampler = resident.sampler
    steps = [optimizer_of(ours), optimizer_of(theirs)]
    for number, batch in enumerate(islice(DataLoader(Interactions(data), BATCH, shuffle=True), 3)):
        resident.sampler = Drawn(sampler, batch["negatives"])  # type: ignore[assignment]
        losses = []
        for step, loss in zip(
            steps,
            (
                lambda: resident(whole(batch["row"], number)),  # noqa: B023
                lambda: collated_loss(collated, sampler, batch, number),  # noqa: B023
            ),
            strict=True,
        ):
            torch.manual_seed(0)  # of dropout
            step.zero_grad()
            losses.append(loss())
            losses[-1].backward()
            step.step()
        if abs(losses[0].item() - losses[1].item()) > 1e-5:
            raise SystemExit(f"the sides don't compute the same: loss {losses[0].item()} and {losses[1].item()}")
    return f"same batches: losses {losses[0].item():.6f} and {losses[1].item():.6f} after 3 steps"


def our_fit(data: TrainingData) -> Callable[[], None]:
    module = network(data)
    loss = SampledLoss(module, data, np.arange(len(data.item)))
    rows = torch.from_numpy(np.random.default_rng(1).permutation(N_ROWS)[: BATCH * BATCHES])
    schedule = CONFIG.model_copy(update={"epochs": 1, "batch_size": BATCH})
    return lambda: void(fit_epochs(module, rows, loss, schedule, FitContext(), model="genre_ncf"))


def our_feed(data: TrainingData) -> Callable[[], None]:
    """What `SampledLoss` does before it computes: rows, negatives and whose positives they are."""
    loss, draws = SampledLoss(network(data), data, np.arange(len(data.item))), torch.Generator().manual_seed(0)

    def feed() -> None:
        for rows in torch.randperm(N_ROWS)[: BATCH * BATCHES].split(BATCH):
            negatives, _ = loss.sampler.draw(CONFIG.negatives * BATCH, draws)
            loss.sampler.known(loss.user[rows], negatives)
            for resident in (loss.genres, loss.scalars, loss.recent, loss.ratings, loss.item, loss.snapshot):
                resident[rows]

    return feed


def loader_fit(
    data: TrainingData, rows: Interactions, loss: Callable[[GenreNCFModule, dict[str, Tensor], int], Tensor]
) -> Callable[[], None]:
    module = network(data)
    optimizer = optimizer_of(module)

    def fit() -> None:
        for number, batch in enumerate(islice(DataLoader(rows, BATCH, shuffle=True), BATCHES)):
            optimizer.zero_grad()
            loss(module, batch, number).backward()
            optimizer.step()

    return fit


def loader_feed(rows: Interactions) -> Callable[[], None]:
    return lambda: void(list(islice(DataLoader(rows, BATCH, shuffle=True), BATCHES)))


def void(_: object) -> None:
    """Drop a result."""


def speed(work: Callable[[], None], share: float) -> Callable[[], float]:
    """Interactions a second of the one thread, as the clock would have it if nothing else ran."""

    def measure() -> float:
        start = time.process_time()
        work()
        return BATCH * BATCHES * share / (time.process_time() - start)

    return measure


def main() -> None:
    torch.set_num_threads(1)
    random.seed(0)
    data = made_up()
    same = check(data)
    interactions, pairs, frame_rows = Interactions(data), Pairs(data), FrameRows(data)
    collated = SampledLoss(network(data), data, np.arange(len(data.item)))
    sampler = collated.sampler

    def same_loss(module: GenreNCFModule, batch: dict[str, Tensor], number: int) -> Tensor:
        collated.module = module
        return collated_loss(collated, sampler, batch, number)

    share = 1.0 / (1 + CONFIG.negatives)
    works = {
        "our fit": speed(our_fit(data), 1.0),
        "DataLoader, same loss": speed(loader_fit(data, interactions, same_loss), 1.0),
        "DataLoader, (user, item, label) rows": speed(loader_fit(data, pairs, pair_loss), share),
        "DataLoader, rows of a DataFrame": speed(loader_fit(data, frame_rows, pair_loss), share),
        "our batches alone": speed(our_feed(data), 1.0),
        "DataLoader's batches alone": speed(loader_feed(interactions), 1.0),
    }
    for work in works.values():
        work()  # the first time is slower
    measured = interleaved(works, ROUNDS)
    for ours, against in (
        ("our fit", "DataLoader, same loss"),
        ("our fit", "DataLoader, (user, item, label) rows"),
        ("our fit", "DataLoader, rows of a DataFrame"),
        ("our batches alone", "DataLoader's batches alone"),
    ):
        equal = against == "DataLoader, same loss"
        compare(
            "genre_ncf training" if ours == "our fit" else "genre_ncf sampler",
            f"{N_ROWS:,} interactions with features, {N_ITEMS:,} items, batch {BATCH}, one thread",
            measured,
            ours=ours,
            against=against,
            unit="interactions/s",
            check=same if equal else "the same network; a loss over pairs, and other negatives",
            same_result=equal,
            more_is_better=True,
        )


if __name__ == "__main__":
    main()
