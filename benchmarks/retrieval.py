"""The best ten of a catalogue for one user vector: our exact search against NumPy and faiss; see README.md."""

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median

import faiss
import numpy as np
import numpy.typing as npt
from side_by_side import compare, interleaved
from threadpoolctl import threadpool_limits

from recstack.models.learning.top_k import top_k

Floats = npt.NDArray[np.float32]
Search = Callable[[Floats], npt.NDArray[np.int64]]

DIMENSIONS, TASTES, NOISE, K = 64, 320, 0.5, 10
QUERIES, ROUNDS = 200, 5
RECALL = 0.95


def made_up(draw: np.random.Generator, count: int) -> Floats:
    """[N, 64] vectors of items or users: each a mixture of three of 320 tastes, and noise of half a taste's length."""
    tastes = np.random.default_rng(1).normal(size=(TASTES, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    shares = draw.dirichlet([0.6] * 3, count)
    mixed = np.einsum("nt,ntd->nd", shares, tastes[draw.integers(0, TASTES, (count, 3))])
    return (mixed + NOISE * draw.normal(size=(count, DIMENSIONS)) / np.sqrt(DIMENSIONS)).astype(np.float32)


def approximate(items: Floats, queries: Floats, truth: npt.NDArray[np.int64]) -> tuple[faiss.Index, float, float]:
    """An inverted file of 4 √n lists that visits as few of them as RECALL allows, that recall, and seconds to build."""
    start = time.perf_counter()
    lists = round(4 * np.sqrt(len(items)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIMENSIONS), DIMENSIONS, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10  # rounds of k-means; the usual 25 take 113 instead of 43 s and find the same
    index.train(items[: 40 * lists])
    index.add(items)
    seconds = time.perf_counter() - start
    recall = 0.0
    while recall < RECALL and index.nprobe < lists:
        index.nprobe *= 2
        found = index.search(queries, K)[1]
        recall = float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found, truth, strict=True)]))
    return index, recall, seconds


def p50(search: Search, queries: Floats) -> float:
    """Milliseconds of a query."""
    seconds = []
    for query in queries:
        start = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - start)
    return median(seconds) * 1e3


def measured(sides: Mapping[str, Search], queries: Mapping[str, Floats]) -> dict[str, list[float]]:
    works = {side: lambda side=side, search=search: p50(search, queries[side]) for side, search in sides.items()}
    return interleaved(works, ROUNDS)


def exact(n_items: int) -> None:
    draw = np.random.default_rng(0)
    items, queries = made_up(draw, n_items), made_up(draw, QUERIES)
    flat, graph = faiss.IndexFlatIP(DIMENSIONS), faiss.IndexHNSWFlat(DIMENSIONS, 32, faiss.METRIC_INNER_PRODUCT)
    flat.add(items)
    graph.add(items)
    graph.hnsw.efSearch = 128
    sides: dict[str, Search] = {
        "ours": lambda query: top_k((items @ query)[None], K)[0],
        "NumPy, argsort": lambda query: np.argsort(-(items @ query), kind="stable")[:K],
        "faiss Flat": lambda query: flat.search(query[None], K)[1][0],
        "faiss HNSW": lambda query: graph.search(query[None], K)[1][0],
    }
    truth = [set(sides["NumPy, argsort"](query)) for query in queries]
    recall = {
        side: float(np.mean([len(set(search(query)) & best) / K for query, best in zip(queries, truth, strict=True)]))
        for side, search in sides.items()
    }
    if recall["ours"] < 1:
        raise SystemExit("our exact search is not exact")
    times = measured(sides, dict.fromkeys(sides, queries))
    for side in list(sides)[1:]:
        compare(
            "retrieval, p50 of a query",
            f"{n_items:,} items",
            times,
            ours="ours",
            against=side,
            unit="ms",
            check=f"recall@10 against all scores sorted: ours {recall['ours']:.3f}, {side} {recall[side]:.3f}",
            same_result=recall[side] > 0.9999,
        )


def large(n_items: int) -> None:
    draw = np.random.default_rng(0)
    items, queries = made_up(draw, n_items), made_up(draw, QUERIES)
    flat = faiss.IndexFlatIP(DIMENSIONS)
    flat.add(items)
    index, recall, seconds = approximate(items, queries, flat.search(queries, K)[1])
    sides: dict[str, Search] = {
        "faiss IVF": lambda query: index.search(query[None], K)[1][0],
        "faiss Flat": lambda query: flat.search(query[None], K)[1][0],
        "NumPy, argpartition": lambda query: np.argpartition(-(items @ query), K)[:K],
    }
    few = queries[:10]
    times = measured(sides, {"faiss IVF": queries, "faiss Flat": few, "NumPy, argpartition": few})
    for side in list(sides)[1:]:
        compare(
            "approximate retrieval, p50 of a query",
            f"{n_items:,} items",
            times,
            ours="faiss IVF",
            against=side,
            unit="ms",
            check=f"recall@10 {recall:.3f}; visits {index.nprobe} of {index.nlist:,} lists, built in {seconds:.0f} s",
            same_result=False,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exact", type=int, nargs="*", default=[20_000, 60_000], help="numbers of items")
    parser.add_argument("--approximate", type=int, nargs="*", default=[1_000_000])
    arguments = parser.parse_args()
    with threadpool_limits(1):
        faiss.omp_set_num_threads(1)
        for n_items in arguments.exact:
            exact(n_items)
        for n_items in arguments.approximate:
            large(n_items)


if __name__ == "__main__":
    main()
