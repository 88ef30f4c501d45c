"""The metrics and their formulas. All but coverage have a value per ranking, from which intervals are computed."""

import numpy as np
import numpy.typing as npt

from recstack.features.arrays import Doubles, Floats, Ints

LIST_LENGTH = 10
"""Length of a recommended list: the 10 of `ndcg@10` and of every list metric."""

RECALL_CUTS = (10, 20, 50)
CAPPED_RECALL_CUTS = (20, 50)
NDCG_CUTS = (10, 100)


def ranks(scores: Floats, rows: Ints, positions: Ints) -> Doubles:
    """Rank of relevant items: 1 + higher scores + equal scores at smaller positions, so that all ranks differ.

    Args:
        scores: [B, I] scores, -inf where not ranked.
        rows: [P] the row of each relevant item.
        positions: [P] its column; -1 is an item that is not in training.

    Returns:
        [P] ranks from 1, infinity for a miss (position -1 or score -inf).

    Raises:
        ValueError: a score is NaN. No score compares as higher than NaN, so the item would rank first.
    """
    if np.isnan(scores.max(initial=-np.inf)):  # np.isnan(scores) would need a [B, I] mask
        raise ValueError("the model returned NaN scores; a score must be a number, or -inf where not allowed")
    found = np.full(len(rows), np.inf)
    reachable = np.flatnonzero((positions >= 0) & (scores[rows, positions] > -np.inf))
    # Row by row, because one row fits into the processor's cache and all rows together do not.
    for index, row, position in zip(reachable, rows[reachable], positions[reachable], strict=True):
        values = scores[row]
        own = values[position]
        found[index] = 1 + np.count_nonzero(values > own) + np.count_nonzero(values[:position] == own)
    return found


def ranking_metrics(found: Doubles, offsets: Ints) -> dict[str, Doubles]:
    """Accuracy of N rankings from the ranks of their relevant items; relevance is binary.

    - `recall@k`: relevant items in the first k / relevant items; `precision@k`: the same / k;
      `hr@k` (hit rate): 1 if any relevant item is in the first k (Manning, Raghavan, Schütze, Introduction to
      Information Retrieval, 2008, chapter 8).
    - `capped_recall@k`: relevant items in the first k / min(k, relevant items), so that 1 can be reached. Papers on
      `held-out-users` call this recall (Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018).
    - `ndcg@k`: sum of 1 / log2(1 + rank) over the first k, divided by that sum when the relevant items come first
      (Järvelin and Kekäläinen, TOIS 2002, with the log2(1 + rank) discount of Burges et al., ICML 2005).
    - `mrr`: 1 / rank of the first relevant item, without a cut (Voorhees, TREC-8, 1999).
    - `map@k`: sum of the precision at each relevant item's rank in the first k / relevant items (trec_eval's map_cut).

    Args:
        found: [P] ranks, infinity for a miss.
        offsets: [N + 1] offsets of each ranking's relevant items in `found`, at least one each.

    Returns:
        [N] values by metric name.
    """
    sizes = np.diff(offsets)
    if not sizes.all():
        raise ValueError("every ranking needs at least one relevant item")
    rows = np.repeat(np.arange(len(sizes)), sizes)
    found = found[np.lexsort((found, rows))]

    def total(values: npt.NDArray[np.generic]) -> Doubles:
        sums: Doubles = np.bincount(rows, weights=values, minlength=len(sizes)).astype(np.float64, copy=False)
        return sums

    top = found <= LIST_LENGTH
    hits = total(top)
    gains = 1 / np.log2(1 + found)
    ideal = np.cumsum(1 / np.log2(np.arange(2, max(NDCG_CUTS) + 2)))
    ordinal = np.arange(len(found)) - offsets[:-1][rows] + 1
    return {
        **{f"recall@{k}": total(found <= k) / sizes for k in RECALL_CUTS},
        **{f"capped_recall@{k}": total(found <= k) / np.minimum(sizes, k) for k in CAPPED_RECALL_CUTS},
        f"precision@{LIST_LENGTH}": hits / LIST_LENGTH,
        **{f"ndcg@{k}": total((found <= k) * gains) / ideal[np.minimum(sizes, k) - 1] for k in NDCG_CUTS},
        "mrr": 1 / found[offsets[:-1]],
        f"hr@{LIST_LENGTH}": (hits > 0).astype(np.float64),
        f"map@{LIST_LENGTH}": total(top * ordinal / found) / sizes,
    }


def novelty(lists: Ints, item_counts: Ints, n_users: int) -> Doubles:
    """Mean self-information of each list in bits, -log2 of the share of training users who chose the item.

    Zhou et al., PNAS 2010; item novelty of Vargas and Castells, RecSys 2011. An item without interactions counts as
    chosen once.

    Args:
        lists: [N, k] recommended items; -1 pads.
        item_counts: [I] training interactions.
        n_users: users of the training part.
    """
    return _list_means(lists, np.log2(n_users) - np.log2(np.maximum(item_counts, 1)))


def popularity_bias(lists: Ints, item_counts: Ints, typical: float) -> Doubles:
    """Mean training count of each list's items / mean training count of the targets.

    1 means that lists are as popular as what users chose themselves; above 1 the model favours popular items. The
    numerator is the average recommendation popularity of Yin et al., VLDB 2012. The popularity lift of Abdollahpouri et
    al., RecSys 2020, compares it with the users' profiles; this is a ratio, and compares with the targets.

    Args:
        lists: [N, k] recommended items; -1 pads.
        item_counts: [I] training interactions.
        typical: mean training count of the targets: mean per user, then over users.
    """
    return _list_means(lists, item_counts.astype(np.float64)) / typical


def coverage(lists: Ints, n_items: int) -> float:
    """Share of the catalogue that is in at least one list (catalogue coverage of Ge et al., RecSys 2010)."""
    return len(np.unique(lists[lists >= 0])) / n_items


def popularity_decile(item_counts: Ints) -> Ints:
    """[I] decile of each item, 0 (rarest) to 9 (most popular).

    Each decile holds a tenth of the training interactions, not of the items: nearly all targets are among the most
    popular tenth of the items.
    """
    order = np.argsort(item_counts, kind="stable")
    before = np.cumsum(item_counts[order]) - item_counts[order]
    decile = np.empty(len(item_counts), dtype=np.int64)
    decile[order] = before * 10 // max(1, int(item_counts.sum()))
    return decile


def _list_means(lists: Ints, values: Doubles) -> Doubles:
    filled = lists >= 0
    means: Doubles = np.where(filled, values[lists], 0.0).sum(axis=1) / np.maximum(filled.sum(axis=1), 1)
    return means
