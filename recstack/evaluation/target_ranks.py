"""The rank of every target by every fit, so that others can pair their models with these."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import Ranking
from recstack.features.arrays import Ints


def target_ranks(
    cases: EvaluationSet, rankings: Mapping[str, Sequence[Ranking]], item_ids: Ints, words: Mapping[str, pa.Table]
) -> pa.Table:
    """One row for each target and fit.

    Args:
        cases: the rankings, with P targets.
        rankings: of each model, one for each training seed.
        item_ids: [I] the catalogue, in the order of the positions in `cases`.
        words: of user_id and item_id, the table (number, original_id) where the log has words for ids.

    Returns:
        user_id and item_id as the log has them; `ranking`, the number of the ranking that the target belongs to;
        `timestamp`, the epoch second of the ranking, null where the protocol ignores time; `model`, `seed`; and `rank`
        from 1, null for an item that training never saw, which is a miss.
    """
    row = cases.relevant_rows
    found = cases.positions >= 0
    item = pa.array(item_ids[cases.positions.clip(min=0)], mask=~found)
    timestamp = pa.nulls(len(row), pa.int64()) if cases.as_of is None else pa.array(cases.as_of[row])
    target = {
        c.USER_ID: _as_in_the_log(pa.array(cases.user_ids[row]), c.USER_ID, words),
        c.ITEM_ID: _as_in_the_log(item, c.ITEM_ID, words),
        "ranking": pa.array(row),
        c.TIMESTAMP: timestamp,
    }
    tables = []
    for model, runs in rankings.items():
        for seed, run in enumerate(runs):
            missed = ~np.isfinite(run.ranks)
            rank = pa.array(np.where(missed, 0, run.ranks).astype(np.int64), mask=missed)
            fit = {"model": pa.array([model] * len(row)), "seed": pa.array(np.full(len(row), seed))}
            tables.append(pa.table({**target, **fit, "rank": rank}))
    return pa.concat_tables(tables)


def _as_in_the_log(ids: pa.Array, column: str, words: Mapping[str, pa.Table]) -> pa.Array:
    if column not in words:
        return ids
    numbers = words[column]
    return numbers[c.ORIGINAL_ID].combine_chunks().take(pc.index_in(ids, numbers[column].combine_chunks()))
