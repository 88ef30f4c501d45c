"""Where the time of one request goes: the engine in process, step by step, and TorchServe's own counts around it."""

import json
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import torch

from answering.load import closed_loop
from answering.servers import ours
from answering.workspace import N_USERS, VERSION, Workspace
from recstack.archive.bundle import Bundle
from recstack.archive.opening import open_engine
from recstack.recommend import Engine

ROUNDS = 300
COUNTS = ("ts_queue_latency_microseconds", "ts_inference_latency_microseconds")


def breakdown(workspace: Workspace) -> None:
    """Print µs a request: in process for batches of 1 and 16, and through TorchServe with one client."""
    torch.set_num_threads(1)
    bundle = Bundle.read(workspace.settings.recstack_home.parent / "bundle")
    engine = open_engine(bundle, workspace.settings, int(time.time()))
    for batch in (1, 16):
        steps = _steps(engine, batch)
        print(f"in process, batch of {batch}, µs a request (medians):")
        for name, micros in steps.items():
            print(f"  {name:40} {micros:7.0f}")
    with ours(workspace) as (target, server):
        closed_loop(target, 1, 3)
        before, first = _counts(server.metrics_url), time.monotonic()
        measured = closed_loop(target, 1, 6)
        after = _counts(server.metrics_url)
        requests = measured.rate * (time.monotonic() - first)
        counted = {name: (after[name] - before[name]) / requests for name in COUNTS}
        wait, inside = counted["ts_queue_latency_microseconds"], counted["ts_inference_latency_microseconds"]
        handler = sum(_mean_ms(server.metrics_url, name) for name in ("feature_read", "scoring")) * 1e3
        print("through TorchServe, one client, µs a request (means, so that they add up):")
        for name, micros in {
            "HTTP and the front end": 1e6 / measured.rate - inside,
            "queue": wait,
            "socket, Python's side of it, JSON, a batching delay if any": inside - wait - handler,
            "feature read and scoring": handler,
            "all": 1e6 / measured.rate,
        }.items():
            print(f"  {name:50} {micros:7.0f}")


def _steps(engine: Engine, batch: int) -> dict[str, float]:
    """Medians of the wrapped parts of the engine, and of the whole."""
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = call(*args, **kwargs)
            spent[name] = spent.get(name, 0.0) + (time.perf_counter() - start) * 1e6 / batch
            return result

        return wrapped

    encoder = engine._catalogue.encoder
    wrapped = [
        (engine, "_read_users", "feature read (Redis, Feast)"),
        (encoder, "users", "features to tensors"),
        (engine._model, "best", "retrieval, ranking, top 10"),
        (engine._reasons, "personal", "reasons"),
    ]
    plain = [(owner, name, getattr(owner, name)) for owner, name, _ in wrapped]
    for owner, name, shown in wrapped:
        object.__setattr__(owner, name, timed(shown, getattr(owner, name)))
    draw, rounds = np.random.default_rng(0), []
    try:
        for _ in range(ROUNDS):
            spent.clear()
            start = time.perf_counter()
            bodies = [{"user_id": int(user), "k": 10} for user in draw.integers(1, N_USERS + 1, batch)]
            requests = [engine.parse(body) for body in bodies]
            parsed = time.perf_counter()
            answers = engine.answer(requests, int(time.time())).answers
            answered = time.perf_counter()
            for answer in answers:
                json.dumps(answer.payload())
            end = time.perf_counter()
            parts = {"parse": (parsed - start) * 1e6 / batch, **spent, "to JSON": (end - answered) * 1e6 / batch}
            whole = (end - start) * 1e6 / batch
            rounds.append({**parts, "the rest": whole - sum(parts.values()), "all": whole})
    finally:
        for owner, name, call in plain:
            object.__setattr__(owner, name, call)
    return {name: statistics.median(round[name] for round in rounds) for name in rounds[0]}


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics", timeout=10).text


def _counts(url: str) -> dict[str, float]:
    text = _metrics(url)
    return {name: sum(map(float, re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", text, re.M))) for name in COUNTS}


def _mean_ms(url: str, name: str) -> float:
    text = _metrics(url)
    total, count = (
        sum(map(float, re.findall(rf'^recstack_{name}_ms_{what}\{{version="{VERSION}".*\}} (\S+)$', text, re.M)))
        for what in ("sum", "count")
    )
    return total / count
