"""Training examples for the ranker of `fusion`, scored by sources that have not seen them: stacking by time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from recstack.features.arrays import Floats, Ints, Mask
from recstack.models.fusion.inputs import FusionInputs, Limits
from recstack.models.fusion.sources.base import KnownInteractions
from recstack.models.training_data import TrainingData
from recstack.progress import working


@dataclass(frozen=True)
class StackingBlock:
    """One block of time: which rows its sources may know, and which rows the ranker learns from."""

    known: Mask
    """[N] training rows that the sources are fitted to."""
    targets: Ints
    """Rows whose items the ranker has to find; none of them is known."""


@dataclass(frozen=True)
class RankerExamples:
    """M training examples: the chosen item, which comes first, among candidates that were not chosen."""

    inputs: Floats
    """[M, 1 + negatives, F]."""
    alive: Mask
    """[M, 1 + negatives] False where there were fewer candidates."""
    context: Floats
    """[M, C]."""
    weight: Floats
    """[M] mean 1; a user with n examples weighs sqrt(n) in all."""


def blocks(
    data: TrainingData, count: int, per_user: int, at_most: int, random: np.random.Generator
) -> Iterator[StackingBlock]:
    """Divide the newer half of the time into `count` blocks; the sources of each know all that happened before it.

    A row's features are as of its own timestamp, sources and popularity as of the beginning of its block: a served
    model is in the same position. Data without time have one block, a random tenth of the rows, and sources know the
    others.

    Args:
        data: the training part.
        count: blocks.
        per_user: targets of a user in a block, at most.
        at_most: targets of all blocks together; of more, each is drawn with the same probability.
        random: of the draw of these rows.
    """
    first, last = (data.timestamp.min(), data.timestamp.max()) if len(data.timestamp) else (0, 0)
    if first == last:
        drawn = random.random(len(data.item)) < 0.1
        yield StackingBlock(~drawn, _draw(drawn, data.user, per_user, at_most, random))
        return
    edges = np.unique(np.quantile(data.timestamp, np.linspace(0.5, 1.0, count + 1)).astype(np.int64))
    edges[-1] = last + 1
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        inside = (data.timestamp >= start) & (data.timestamp < end)
        yield StackingBlock(data.timestamp < start, _draw(inside, data.user, per_user, at_most // count, random))


def past_of(data: TrainingData, known: Mask) -> KnownInteractions:
    """The known rows, as sources learn from them."""
    lengths = data.users.known
    return KnownInteractions.of(
        data.user[known], data.item[known], data.rating[known], data.timestamp[known], lengths[known], len(data.items)
    )


def inputs_before(data: TrainingData, known: Mask, limits: Limits) -> FusionInputs:
    """Sources fitted to the known rows, and the catalogue's popularity as it was at the newest of them."""
    newest = int(data.snapshot[known].max(initial=0))
    return FusionInputs.fit(past_of(data, known), replace(data.items, popularity=data.popularity[newest]), limits)


def ranker_examples(
    data: TrainingData,
    block: StackingBlock,
    candidates: int,
    negatives: int,
    limits: Limits,
    random: np.random.Generator,
) -> list[RankerExamples]:
    """Let the block's sources score its targets; a target that is not among the candidates gives no example.

    Returns:
        One batch of examples; an empty list if there is no example.
    """
    sources = inputs_before(data, block.known, limits)

    def scored(part: slice, draws: np.random.Generator) -> tuple[Floats, Mask, Floats, Ints]:
        rows = block.targets[part]
        users = data.users.take(rows)
        table = sources.table(users, users.unseen(len(data.items)), candidates)
        right = table.candidates == data.item[rows][:, None]
        reached = np.flatnonzero((right & table.alive).any(axis=1))
        order = draws.random(right.shape) - 2 * right + 2 * ~table.alive  # the target first, items not allowed last
        picked = np.argsort(order[reached], axis=1)[:, : 1 + negatives]
        row = reached[:, None]
        return table.inputs[row, picked], table.alive[row, picked], table.context[reached], data.user[rows[reached]]

    batches = list(sources.batches(len(block.targets)))
    step = working("fusion: scoring training examples", total=len(batches), unit="part")
    with step as done, ThreadPoolExecutor(torch.get_num_threads()) as threads:
        parts = []
        for part in threads.map(scored, batches, random.spawn(len(batches))):
            parts.append(part)
            done.advance()
    if not sum(len(part[-1]) for part in parts):
        return []
    inputs, alive, context, user = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, owner, times = np.unique(user, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(times[owner])
    return [RankerExamples(inputs, alive, context, (weight / weight.mean()).astype(np.float32))]


def _draw(inside: Mask, user: Ints, per_user: int, at_most: int, random: np.random.Generator) -> Ints:
    """At most `per_user` rows of each user among those inside, and `at_most` in all, ascending."""
    rows = np.flatnonzero(inside)
    order = np.lexsort((random.random(len(rows)), user[rows]))
    owner = user[rows][order]
    nth = np.arange(len(order)) - np.searchsorted(owner, owner)
    drawn = rows[order[nth < per_user]]
    return np.sort(drawn if len(drawn) <= at_most else random.choice(drawn, at_most, replace=False))
