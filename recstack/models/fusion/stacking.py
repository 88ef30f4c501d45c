"""Rows for the ranker of `fusion`, scored by sources that have not seen them: stacking, block of time by block."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from recstack.features.arrays import Floats, Ints, Mask
from recstack.features.encode import UserBatch
from recstack.models.base import TrainingData
from recstack.models.fusion.inputs import FusionInputs
from recstack.models.fusion.sources.base import Past


@dataclass(frozen=True)
class Block:
    """What the sources may know, and the rows that the ranker learns from with them."""

    known: Mask
    """[N] training rows that the sources are fitted to."""
    asked: Ints
    """Training rows to be ranked; none of them is known."""


@dataclass(frozen=True)
class Lesson:
    """M choices, each among the chosen item, which comes first, and candidates that were not chosen."""

    inputs: Floats
    """[M, 1 + negatives, F]."""
    alive: Mask
    """[M, 1 + negatives] False where there were fewer candidates."""
    context: Floats
    """[M, C]."""
    weight: Floats
    """[M] mean 1; who is asked n times weighs sqrt(n) in all."""


def blocks(data: TrainingData, count: int, per_user: int, random: np.random.Generator) -> Iterator[Block]:
    """Divide the newer half of the time into `count` blocks; the sources of each know all that happened before it.

    A row's features are as of its own moment, sources and popularity as of the beginning of its block: that is how a
    model in service meets its users. Data without time have one block, a random tenth of the rows, and sources know
    the others.

    Args:
        data: the training part.
        count: blocks.
        per_user: rows of a user that are asked in a block, at most.
        random: of the draw of these rows.
    """
    first, last = (data.timestamp.min(), data.timestamp.max()) if len(data.timestamp) else (0, 0)
    if first == last:
        drawn = random.random(len(data.item)) < 0.1
        yield Block(~drawn, _draw(drawn, data.user, per_user, random))
        return
    edges = np.unique(np.quantile(data.timestamp, np.linspace(0.5, 1.0, count + 1)).astype(np.int64))
    edges[-1] = last + 1
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        inside = (data.timestamp >= start) & (data.timestamp < end)
        yield Block(data.timestamp < start, _draw(inside, data.user, per_user, random))


def past_of(data: TrainingData, known: Mask) -> Past:
    """The known rows as sources want them."""
    lengths = np.diff(data.users.seen_offsets)
    return Past.of(
        data.user[known], data.item[known], data.rating[known], data.timestamp[known], lengths[known], len(data.items)
    )


def inputs_before(data: TrainingData, known: Mask) -> FusionInputs:
    """Sources fitted to the known rows, and the catalogue's popularity as it was at the newest of them."""
    newest = int(data.snapshot[known].max(initial=0))
    return FusionInputs.fit(past_of(data, known), replace(data.items, popularity=data.popularity[newest]))


def lessons(
    data: TrainingData, block: Block, candidates: int, negatives: int, random: np.random.Generator
) -> Lesson | None:
    """Let the block's sources score its rows; rows whose item is not among the candidates teach nothing.

    Returns:
        None if no row is left.
    """
    sources = inputs_before(data, block.known)
    parts = []
    for start in range(0, len(block.asked), 256):
        rows = block.asked[start : start + 256]
        users = rows_of(data.users, rows)
        table = sources.table(users, users.unseen(len(data.items)), candidates)
        right = table.candidates == data.item[rows][:, None]
        reached = np.flatnonzero((right & table.alive).any(axis=1))
        lots = random.random(right.shape) - 2 * right + 2 * ~table.alive  # the item first, the forbidden last
        picked = np.argsort(lots[reached], axis=1)[:, : 1 + negatives]
        row = reached[:, None]
        parts.append(
            (table.inputs[row, picked], table.alive[row, picked], table.context[reached], data.user[rows[reached]])
        )
    if not sum(len(part[-1]) for part in parts):
        return None
    inputs, alive, context, user = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, owner, times = np.unique(user, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(times[owner])
    return Lesson(inputs, alive, context, (weight / weight.mean()).astype(np.float32))


def rows_of(users: UserBatch, rows: Ints) -> UserBatch:
    """These rows of a batch, in this order."""
    lengths = np.diff(users.seen_offsets)[rows]
    offsets = np.append(0, np.cumsum(lengths))
    places = np.repeat(users.seen_offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return UserBatch(
        users.genres[rows],
        users.scalars[rows],
        users.recent[rows],
        users.recent_ratings[rows],
        offsets,
        users.seen[places],
        users.seen_ratings[places],
        users.ids[rows],
    )


def _draw(inside: Mask, user: Ints, per_user: int, random: np.random.Generator) -> Ints:
    """At most `per_user` rows of each user among those inside, ascending."""
    rows = np.flatnonzero(inside)
    order = np.lexsort((random.random(len(rows)), user[rows]))
    owner = user[rows][order]
    nth = np.arange(len(order)) - np.searchsorted(owner, owner)
    return np.sort(rows[order[nth < per_user]])
