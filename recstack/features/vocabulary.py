"""The genres of a catalogue in an order that new genres never change."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.features.item_genres import ItemGenres
from recstack.features.spec import ALPHA
from recstack.storage.lake import digest

FILE = "vocabulary.json"


def extend(previous: Sequence[str], genres: Iterable[str]) -> tuple[str, ...]:
    """`previous`, then the new genres in alphabetical order: positions that models rely on never shift."""
    return (*previous, *sorted(set(genres) - set(previous)))


def version(vocabulary: Sequence[str]) -> str:
    """Digest of names and order."""
    return digest(list(vocabulary))


def save(folder: Path, vocabulary: Sequence[str], lineage: str | None = None) -> None:
    """Write `vocabulary.json`.

    Args:
        folder: of the feature tables.
        vocabulary: genres in their order.
        lineage: version of the vocabulary that this one and those before it continue; None if it is a first one.
    """
    state = {"version": version(vocabulary), "lineage": lineage or version(vocabulary), "genres": list(vocabulary)}
    (folder / FILE).write_text(json.dumps(state, indent=2, ensure_ascii=False))


def lineage(folder: Path) -> str:
    """Version of the first vocabulary that this one continues: equal where genres have the same positions."""
    return str(json.loads((folder / FILE).read_text())["lineage"])


def continues(vocabulary: Sequence[str], other: Sequence[str]) -> bool:
    """Whether each genre that both vocabularies have a position for has the same one: one is the other's beginning."""
    shared = min(len(vocabulary), len(other))
    return tuple(vocabulary[:shared]) == tuple(other[:shared])


def load(folder: Path) -> tuple[str, ...]:
    """Read what `save` wrote.

    Raises:
        ValueError: the genres do not match their version.
    """
    state = json.loads((folder / FILE).read_text())
    if version(state["genres"]) != state["version"]:
        raise ValueError(f"{folder / FILE} was edited: its genres do not have version {state['version']}")
    return tuple(state["genres"])


def item_genres(items: pa.Table, vocabulary: Sequence[str], alpha: float = ALPHA) -> ItemGenres:
    """Genre positions of every item.

    Args:
        items: the catalogue (item_id, genres); every genre is in the vocabulary.
        vocabulary: genres in their order.
        alpha: slope of the user-genre score.
    """
    items = items.sort_by(c.ITEM_ID)
    lists = items[c.GENRES].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    positions = pc.index_in(pc.list_flatten(lists), pa.array(vocabulary, pa.string()))
    return ItemGenres(
        item_ids=items[c.ITEM_ID].to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        indices=positions.to_numpy(zero_copy_only=False).astype(np.int64),
        n_genres=len(vocabulary),
        alpha=alpha,
    )
