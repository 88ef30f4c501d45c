"""The generation of feature rows: rows of one generation mean the same and may be mixed and replaced by each other."""

from collections.abc import Mapping
from typing import Any

from recstack.features import spec
from recstack.storage.lake import digest


def generation(inputs: Mapping[str, Any], has_timestamps: bool, numbering: str | None) -> str:
    """First 8 hex digits of the digest of all that decides what a feature row means.

    A new genre, item or user adds to what is there: the generation stays. Another schema, another formula constant,
    genres at other positions, or ids that are numbered anew change the meaning of rows: a new generation begins.

    Args:
        inputs: of the feature tables, see `features.build`.
        has_timestamps: whether the tables know times.
        numbering: name of the numbering of ids that are words, see `data.numbering`; None where ids are numbers.
    """
    positions = inputs["vocabulary"]["lineage"]
    return digest([spec.schema_digest(), inputs["alpha"], positions, has_timestamps, numbering])[:8]
