"""One answer end to end, at saturation and at fixed rates: ours, a first-time user's, uvicorn; see README.md."""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from answering.breakdown import breakdown
from answering.load import closed_loop, open_loop
from answering.plots import draw
from answering.servers import Target, all_servers
from answering.workspace import N_GENRES, N_ITEMS, N_USERS, workspace
from side_by_side import compare, interleaved

SIZE = f"{N_ITEMS:,} items, {N_GENRES} genres, {N_USERS:,} users, k = 10"
BUSY = 32
"""Connections at saturation."""
WARM_UP = 15
"""Seconds until Java has compiled what it runs often, and caches are full."""
CHECKED = 20
LOADS = (0.5, 0.8, 0.95)


def check(ours: Target, others: tuple[Target, ...]) -> str:
    """Compare the answers; returns what was compared.

    Raises:
        ValueError: the servers recommend different items, or score them differently.
    """
    for user in range(1, CHECKED + 1):
        body = {"user_id": user, "k": 10}
        expected = ours.ask(body)["items"]
        for other in others:
            found = other.ask(body)["items"]
            if [item["item_id"] for item in found] != [item["item_id"] for item in expected]:
                raise ValueError(f"{other.name} recommends other items to user {user}")
            if any(abs(a["score"] - b["score"]) > 1e-4 for a, b in zip(found, expected, strict=True)):
                raise ValueError(f"{other.name} scores user {user}'s items differently")
    return f"items of {CHECKED} users equal, scores to 1e-4"


def at_fixed_rates(
    targets: tuple[Target, ...], capacity: Mapping[str, float], seconds: float
) -> dict[str, dict[float, np.ndarray]]:
    """Latencies in ms by server and by share of its own capacity that is sent."""
    latencies: dict[str, dict[float, np.ndarray]] = {}
    for target in targets:
        for load in LOADS:
            rate = load * capacity[target.name]
            found = open_loop(target, rate, max(seconds, 20 / rate))
            percentiles = ", ".join(f"p{share:g} {np.percentile(found, share):,.1f}" for share in (50, 90, 99, 99.9))
            print(f"{target.name}, {load:.0%} of capacity, {rate:,.0f} requests/s: {percentiles} ms", flush=True)
            latencies.setdefault(target.name, {})[load] = found
    return latencies


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=4, help="of each measurement")
    arguments.add_argument("--breakdown", action="store_true", help="only where the time of one request goes")
    arguments.add_argument("--plots", type=Path, help="folder for two SVG files, e.g. docs/pictures")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder)) as made:
        if options.breakdown:
            breakdown(made)
            return
        with all_servers(made) as targets:
            ours, naive, uvicorn = (target.name for target in targets)
            compared = check(targets[0], targets[1:])
            for target in targets:
                closed_loop(target, BUSY, WARM_UP)
            busy = interleaved(
                {t.name: lambda t=t: closed_loop(t, BUSY, options.seconds) for t in targets}, options.rounds
            )
            alone = interleaved(
                {t.name: lambda t=t: closed_loop(t, 1, options.seconds) for t in targets}, options.rounds
            )
            rates = {name: [round.rate for round in rounds] for name, rounds in busy.items()}
            slowest = {name: [round.p99 for round in rounds] for name, rounds in busy.items()}
            medians = {name: [round.p50 for round in rounds] for name, rounds in alone.items()}
            failed = sum(round.errors for rounds in [*busy.values(), *alone.values()] for round in rounds)
            print(f"{compared}; {failed} requests failed")
            for other in (naive, uvicorn):
                shared = {"ours": ours, "against": other, "check": compared}
                compare("one answer, 32 clients", SIZE, rates, unit="requests/s", more_is_better=True, **shared)
                compare("one answer, 32 clients, p99", SIZE, slowest, unit="ms", **shared)
                compare("one answer, 1 client, p50", SIZE, medians, unit="ms", **shared)
            capacity = {name: sorted(rounds)[len(rounds) // 2] for name, rounds in rates.items()}
            latencies = at_fixed_rates(targets, capacity, options.seconds)
            if options.plots:
                draw(latencies, capacity, options.plots)


if __name__ == "__main__":
    main()
