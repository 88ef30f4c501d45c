"""Two pictures for docs/performance.md: latency by percentile at each load, and what each server carries."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("svg")
from matplotlib import pyplot as plt  # noqa: E402 (the line above has to come first)

SHARES = 1 - np.logspace(0, -3, 40)
"""Of requests, from none to 99.9 %, evenly on the axis of the picture."""


def draw(latencies: Mapping[str, Mapping[float, np.ndarray]], capacity: Mapping[str, float], folder: Path) -> None:
    """Write `answer-latency.svg` and `answer-throughput.svg`.

    Args:
        latencies: ms of each request, by server and by share of the server's capacity that was sent.
        capacity: requests/s by server.
        folder: where to.
    """
    plt.rcParams["svg.fonttype"] = "none"  # text stays text: a quarter of the size
    figure, panels = plt.subplots(1, len(latencies), figsize=(11, 3.6), sharey=True, layout="constrained")
    for panel, (name, loads) in zip(panels, latencies.items(), strict=True):
        for load, found in loads.items():
            sent = f"{load:.0%}: {load * capacity[name]:,.0f} requests/s"
            panel.plot(1 / (1 - SHARES), np.quantile(found, SHARES), label=sent)
        panel.set(xscale="log", yscale="log", title=name, xlabel="of requests are faster")
        panel.set_xticks([1, 2, 10, 100, 1000], ["0 %", "50 %", "90 %", "99 %", "99.9 %"], fontsize=8)
        panel.legend(title="sent, of capacity", frameon=False, fontsize=8)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("latency, ms, from the intended time")
    figure.savefig(folder / "answer-latency.svg")

    figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
    bars = axes.barh(list(capacity), list(capacity.values()))
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set(xscale="log", xlabel="requests/s with 32 clients", xlim=(1, 3 * max(capacity.values())))
    axes.invert_yaxis()
    figure.savefig(folder / "answer-throughput.svg")
