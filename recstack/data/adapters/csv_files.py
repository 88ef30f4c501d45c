"""Any log of a team's own, without code: `mapping.toml` says which column of which file means what."""

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from recstack.data.adapters.base import Dataset
from recstack.data.adapters.mapping import FILE, Mapping, read_mapping
from recstack.data.adapters.staged import items_frame, log_frame, users_frame
from recstack.data.traits import Traits


class CSVFiles(Dataset):
    """`mapping.toml` and the files that it names; see `mapping.Mapping` and docs/adding-a-dataset.md."""

    name: ClassVar[str] = "csv"
    licence: ClassVar[str] = "your own"

    def files(self, source: Path) -> list[Path]:
        """The mapping, and the files that it names."""
        if not (source / FILE).exists():
            return [source / FILE]
        tables = [table for _, table in read_mapping(source).tables]
        return list(dict.fromkeys([source / FILE, *(source / table.file for table in tables)]))

    def traits(self, source: Path) -> Traits:
        """As the mapping says; ratings of a log without any are 1, or the weights of its events."""
        mapping = read_mapping(source)
        low, high, liked = _scale(mapping)
        return Traits(
            rating_min=low,
            rating_max=high,
            positive_from=liked,
            has_timestamps=mapping.interactions.time is not None,
            text_ids=bool(mapping.text_ids),
        )

    def accepts_rejected(self, source: Path) -> bool:
        """As the mapping or the option says."""
        return self.accept_rejected or read_mapping(source).accept_rejected

    def declared_text_ids(self, source: Path) -> frozenset[str] | None:
        """`text_ids` of the mapping."""
        return read_mapping(source).text_ids

    def may_have_words(self, source: Path) -> bool:
        """Unless the mapping says that all ids are numbers."""
        declared = read_mapping(source).text_ids
        return declared is None or bool(declared)

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """The rows of `[interactions]`."""
        return log_frame(spark, source, read_mapping(source))

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue; without one, the items of the interactions by their ids alone."""
        return items_frame(spark, source, read_mapping(source))

    def read_users(self, spark: SparkSession, source: Path) -> DataFrame | None:
        """The rows of `[users]`."""
        mapping = read_mapping(source)
        return None if mapping.users is None else users_frame(spark, source, mapping, mapping.users)


def _scale(mapping: Mapping) -> tuple[float, float, float]:
    """Lowest and highest rating (infinite if the data tell it), and the lowest that means "liked"."""
    scale = mapping.rating
    weights = [weight for weight in (mapping.kinds or {}).values() if weight > 0] or [1.0]
    if scale is None:
        return 0.0, max(weights), min(weights)
    ends = (scale.min, math.inf if scale.max is None else scale.max, scale.positive_from)
    if mapping.kinds is not None:
        return scale.min, max(weights) if scale.max is None else scale.max, scale.positive_from
    if scale.transform is None:
        return ends
    low, high, liked = (float(np.log2(1.0 + np.float64(end))) for end in ends)
    return low, high, liked
