"""Interactions learned from in a second: our fit against row-wise `DataLoader` loops; see README.md beside it."""

import random
import statistics
import time
from collections.abc import Callable
from itertools import islice

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recstack.features.encode import ITEM_SCALARS, POPULARITIES, USER_SCALARS, Encoder, ItemBatch, UserBatch
from recstack.features.spec import RECENT_LENGTH
from recstack.models.base import TrainingData
from recstack.models.fitting import Batch, Schedule, fit_epochs
from recstack.models.genre_ncf import RANKED_BATCHES, SampledLoss
from recstack.models.genre_ncf_network import Config, GenreNCFModule
from recstack.models.negatives import NegativeSampler

BATCH, BATCHES, ROUNDS = 256, 40, 7
N_USERS, N_ITEMS, N_GENRES, N_ROWS = 1_000, 2_000, 20, 50_000
CONFIG = Config(batch_size=BATCH)
CPU = torch.device("cpu")


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
    )
    return TrainingData(
        encoder=Encoder(np.arange(N_ITEMS), tuple(f"genre {i}" for i in range(N_GENRES)), {}, {}),
        items=items,
        user=user,
        item=item,
        rating=np.full(N_ROWS, 4, dtype=np.float32),
        moment=np.arange(N_ROWS),
        users=users,
        popularity=items.popularity[None],
        snapshot=np.zeros(N_ROWS, dtype=np.int64),
        eligible=np.ones(N_ROWS, dtype=bool),
    )


def network(data: TrainingData) -> GenreNCFModule:
    torch.manual_seed(0)
    return GenreNCFModule(CONFIG, N_GENRES, len(USER_SCALARS), data.items, np.ones(N_ITEMS, dtype=bool)).train()


def optimizer_of(module: GenreNCFModule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay, fused=True)


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


class Drawn:
    """Stands in for the sampler's draw with negatives that rows brought along; `known` stays the sampler's."""

    def __init__(self, sampler: NegativeSampler, negatives: Tensor) -> None:
        self.known = sampler.known
        self.items = negatives.unique()

    def draw(self, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """The rows' negatives; their correction is left out on both sides."""
        return self.items, torch.zeros(len(self.items))


def whole(rows: Tensor, number: int) -> Batch:
    """A batch of one process."""
    return Batch(number, rows, slice(0, len(rows)), torch.Generator().manual_seed(number))


def collated_loss(loss: SampledLoss, sampler: NegativeSampler, batch: dict[str, Tensor], number: int) -> Tensor:
    """The very loss of our fit, on a batch that a `DataLoader` put together."""
    for name in ("genres", "scalars", "recent", "ratings", "user", "item", "snapshot"):
        setattr(loss, name, batch[name])
    loss.sampler = Drawn(sampler, batch["negatives"])  # type: ignore[assignment]
    size = len(batch["row"])
    return loss(whole(torch.arange(size), number))


def pair_loss(module: GenreNCFModule, batch: dict[str, Tensor], number: int) -> Tensor:
    """Binary cross-entropy of retrieval on each (user, item, label), and of the ranker in as many batches as ours."""
    item, label = batch["item"], batch["label"]
    user = module.users(batch["genres"], batch["scalars"], batch["recent"], batch["ratings"])
    vectors, bias = module.items(item)
    score = (user * vectors).sum(1) + bias + module.popularity[item] @ module.popularity_weight
    retrieval = F.binary_cross_entropy_with_logits(score, label)
    if number % RANKED_BATCHES:
        return retrieval
    alone = score.detach()[:, None]
    parts = module.ranker_item(vectors.detach())[:, None]
    popularity = module.popularity[item][:, None]
    ranked = alone + module.rerank(user.detach(), batch["genres"], item[:, None], parts, popularity, alone, alone)
    return retrieval + F.binary_cross_entropy_with_logits(ranked.squeeze(1), label)


def check(data: TrainingData) -> None:
    """Both sides take the same steps when they are given the same batches."""
    ours, theirs = network(data), network(data)
    resident, collated = SampledLoss(ours, data, CPU), SampledLoss(theirs, data, CPU)
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
    print(f"same loss on the same batches after 3 steps: {losses[0].item():.6f} and {losses[1].item():.6f}")


def our_fit(data: TrainingData) -> Callable[[], None]:
    module = network(data)
    loss = SampledLoss(module, data, CPU)
    rows = torch.from_numpy(np.random.default_rng(1).permutation(N_ROWS)[: BATCH * BATCHES])
    schedule = Schedule(1, None, 1, BATCH, CONFIG.learning_rate, CONFIG.weight_decay)
    return lambda: void(fit_epochs(module, rows, loss, schedule, seed=0, validate=None, report=None, checkpoint=None))


def our_feed(data: TrainingData) -> Callable[[], None]:
    """What `SampledLoss` does before it computes: rows, negatives and whose positives they are."""
    loss, draws = SampledLoss(network(data), data, CPU), torch.Generator().manual_seed(0)

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


def seconds(work: Callable[[], None]) -> float:
    start = time.process_time()  # one thread: what the clock would say if nothing else ran
    work()
    return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    random.seed(0)
    data = made_up()
    check(data)
    interactions, pairs, frame_rows = Interactions(data), Pairs(data), FrameRows(data)
    collated = SampledLoss(network(data), data, CPU)
    sampler = collated.sampler

    def same_loss(module: GenreNCFModule, batch: dict[str, Tensor], number: int) -> Tensor:
        collated.module = module
        return collated_loss(collated, sampler, batch, number)

    works = {
        "our fit": (our_fit(data), 1.0),
        "DataLoader, same loss": (loader_fit(data, interactions, same_loss), 1.0),
        "DataLoader, (user, item, label) rows": (loader_fit(data, pairs, pair_loss), 1.0 / (1 + CONFIG.negatives)),
        "DataLoader, rows of a DataFrame": (loader_fit(data, frame_rows, pair_loss), 1.0 / (1 + CONFIG.negatives)),
        "our batches alone": (our_feed(data), 1.0),
        "DataLoader's batches alone": (loader_feed(interactions), 1.0),
    }
    for work, _ in works.values():
        work()  # the first time is slower
    speeds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (work, share) in works.items():
            speeds[name].append(BATCH * BATCHES * share / seconds(work))

    print(f"interactions a second, median of {ROUNDS} interleaved rounds, one thread, batch {BATCH}")
    for name, values in speeds.items():
        print(f"  {name:40} {statistics.median(values):>10,.0f}")
    for ours, theirs in (
        ("our fit", "DataLoader, same loss"),
        ("our fit", "DataLoader, (user, item, label) rows"),
        ("our fit", "DataLoader, rows of a DataFrame"),
        ("our batches alone", "DataLoader's batches alone"),
    ):
        ratios = [a / b for a, b in zip(speeds[ours], speeds[theirs], strict=True)]
        print(f"ratio {statistics.median(ratios):.1f} x ({min(ratios):.1f} .. {max(ratios):.1f})  {ours} : {theirs}")


if __name__ == "__main__":
    main()
