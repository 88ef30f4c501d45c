"""A made-up deployment: features in Feast on a Redis of its own, and an archive of `genre_ncf`."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
import torch
from torch import nn

from recstack import columns as c
from recstack.archive.bundle import Facts, write_bundle
from recstack.archive.mar import build_archive
from recstack.feature_store.registry import apply, materialize
from recstack.features import spec, vocabulary
from recstack.features.encode import Encoder
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.user_features import user_features
from recstack.models.genre_ncf.model import GenreNCF
from recstack.models.genre_ncf.network import Config, GenreNCFModule
from recstack.recommend import RatingScale
from recstack.release.rollout import MODEL_NAME
from recstack.settings import HANDLER, Settings
from recstack.storage.lake import build_once

GENERATION = "00000000"
N_USERS, N_ITEMS, N_GENRES, GENRES_OF_ITEM, MEAN_RATINGS = 3_000, 20_000, 320, 4, 60
WORDS = tuple(f"genre {number:03d}" for number in range(N_GENRES))
NOW = 1_750_000_000
YEAR_SECONDS = 365 * 86_400
VERSION = "1"
PASSWORD = "only-for-this-benchmark"


@dataclass(frozen=True)
class Workspace:
    """Settings that name the lake, Redis and the model store, and the archive that lies in the latter."""

    settings: Settings
    archive: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis on loopback behind a password; yields Feast's connection string."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("this benchmark needs a real Redis: apt-get install redis-server")
    port = free_port()
    options = [
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(folder),
        "--requirepass",
        PASSWORD,
    ]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, password=PASSWORD)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port},password={PASSWORD}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def workspace(folder: Path) -> Iterator[Workspace]:
    """Everything that the servers read; a minute, most of it Feast's materialization."""
    with redis_server(folder) as address:
        settings = Settings(
            recstack_home=folder / "home",
            dataset="answering",
            lake_uri=None,
            feast_online=address,
            feast_registry="file",
            model_store=folder / "models",
        )
        draw = np.random.default_rng(0)
        lists = np.sort(np.argpartition(draw.random((N_ITEMS, N_GENRES)), GENRES_OF_ITEM)[:, :GENRES_OF_ITEM])
        users, items = _users(draw, lists), _items(draw, lists)

        def write(tables: Path) -> dict[str, Any]:
            for owner, rows in (("user", users), ("item", items)):
                (tables / owner).mkdir()
                pq.write_table(rows, tables / owner / "part-0.parquet")
            vocabulary.save(tables, WORDS)
            return {"generation": GENERATION}

        tables = build_once(settings.lake / "features", {"for": "benchmarks/answer.py"}, write, made_by=[__name__])
        apply(settings, tables.path, datetime.fromtimestamp(NOW, UTC))
        materialize(settings, tables.path)
        yield Workspace(settings, _archive(folder, settings, users, items, lists))


def _with_ids_and_time(table: pa.Table, key: str, ids: np.ndarray) -> pa.Table:
    """The table with entity ids and the timestamp of an hour ago."""
    timestamps = pa.array(np.full(len(table), (NOW - 3600) * 1_000_000), pa.timestamp("us", tz="UTC"))
    return table.append_column(key, pa.array(ids)).append_column(c.EVENT_TIMESTAMP, timestamps)


def _users(draw: np.random.Generator, lists: np.ndarray) -> pa.Table:
    """Users 1..N_USERS with log-normal numbers of ratings of items drawn by popularity."""
    popularity = 1 / np.arange(50, N_ITEMS + 50)
    wanted = (draw.lognormal(-0.5, 1.0, N_USERS) * MEAN_RATINGS).astype(np.int64).clip(2, 2_000)
    rated = [draw.permutation(np.unique(draw.choice(N_ITEMS, n, p=popularity / popularity.sum()))) for n in wanted]
    end = np.cumsum([len(items) for items in rated])
    start = np.concatenate([[0], end[:-1]])
    ages = [-np.sort(-draw.integers(7_200, YEAR_SECONDS, len(items))) for items in rated]
    ratings = draw.integers(1, 11, end[-1]) / 2
    histories = Histories(np.concatenate(rated) + 1, ratings, NOW - np.concatenate(ages), has_timestamps=True)
    genres = ItemGenres(
        np.arange(N_ITEMS) + 1, np.arange(N_ITEMS + 1) * GENRES_OF_ITEM, lists.ravel(), n_genres=N_GENRES
    )
    return _with_ids_and_time(user_features(Past(histories, start, end), genres), c.USER_ID, np.arange(N_USERS) + 1)


def _items(draw: np.random.Generator, lists: np.ndarray) -> pa.Table:
    total = (1e6 / np.arange(50, N_ITEMS + 50)).astype(np.int64)
    values = {
        c.GENRE_INDICES: lists.tolist(),
        c.YEAR: draw.integers(1960, 2025, N_ITEMS),
        c.POPULARITY_7D: total // 50,
        c.POPULARITY_30D: total // 12,
        c.POPULARITY_ALL: total,
    }
    columns = {
        field.name: pa.array(values.get(field.name, [None] * N_ITEMS), field.type) for field in spec.schema("item")
    }
    return _with_ids_and_time(pa.table(columns), c.ITEM_ID, np.arange(N_ITEMS) + 1)


def _archive(folder: Path, settings: Settings, users: pa.Table, items: pa.Table, lists: np.ndarray) -> Path:
    """A network with random weights: its answers are of no use, its cost is the same."""
    encoder = Encoder.fit(users, np.full(len(users), NOW), items, WORDS)
    torch.manual_seed(0)
    module = GenreNCFModule(Config(), N_GENRES, 6, encoder.items(items), np.ones(N_ITEMS, dtype=bool))
    with torch.no_grad():
        for embedding in (module.history_embedding, module.item_embedding):
            nn.init.normal_(embedding.weight, std=0.5)
        nn.init.normal_(module.ranker.weight, std=0.3)
        module.popularity_weight.fill_(0.1)
    titles = pa.table(
        {
            c.ITEM_ID: items[c.ITEM_ID],
            c.TITLE: [f"Film {number}" for number in range(1, N_ITEMS + 1)],
            c.GENRES: [[WORDS[genre] for genre in row] for row in lists],
            c.YEAR: items[c.YEAR],
        }
    )
    facts = Facts(
        model_version=VERSION,
        dataset=settings.dataset,
        generation=GENERATION,
        timed=True,
        scale=RatingScale(low=0.5, high=5.0, liked=4.0),
        config={},
        data_fingerprint="made up",
        run_id=None,
    )
    bundle = folder / "bundle"
    bundle.mkdir()
    write_bundle(bundle, GenreNCF(module), encoder, titles, items, facts)
    return build_archive(bundle, HANDLER, settings.model_store, MODEL_NAME, VERSION)
