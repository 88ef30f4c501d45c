"""A real TorchServe on free ports that serves models of the tiny catalogue, with an online store beside it."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tiny_catalogue as tiny

from recstack import columns as c
from recstack.archive.bundle import Facts, write_bundle
from recstack.archive.mar import build_archive
from recstack.feature_store.registry import apply, materialize
from recstack.features import vocabulary
from recstack.models.base import Recommender
from recstack.release.rollout import MODEL_NAME
from recstack.settings import HANDLER, Settings
from recstack.storage.lake import build_once

DAMAGED = 666
"""A user whose row in the online store can't be read by a model."""


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def torchserve_addresses() -> dict[str, str]:
    """Settings of a TorchServe on ports of its own."""
    return {f"torchserve_{kind}": free_address() for kind in ("inference", "management", "metrics")}


def load_online_store(settings: Settings) -> None:
    def write(folder: Path) -> dict[str, Any]:
        known = list(tiny.HISTORIES)
        users = tiny.users(known).append_column(c.USER_ID, pa.array(known, pa.int64()))
        rows = [{**users.to_pylist()[0], c.USER_ID: DAMAGED, c.SEEN_ITEMS: b"not a bitmap"}]
        users = pa.concat_tables([users, pa.Table.from_pylist(rows, schema=users.schema)])
        for owner, rows in (("user", users), ("item", tiny.items())):
            (folder / owner).mkdir()
            pq.write_table(rows, folder / owner / "part-0.parquet")
        vocabulary.save(folder, tiny.GENRES)
        return {"generation": "00000000"}

    tables = build_once(settings.lake / "features", {"for": "this test"}, write, made_by=[__name__])
    apply(settings, tables.path, datetime(2023, 12, 1, tzinfo=UTC))
    materialize(settings, tables.path)


def archive(
    folder: Path, model_store: Path, version: str, model: Recommender | None = None, probe_users: tuple[int, ...] = ()
) -> Path:
    bundle = folder / f"bundle-{version}"
    bundle.mkdir()
    facts = Facts(
        model_version=version,
        dataset="tiny",
        generation="00000000",
        timed=True,
        scale=tiny.SCALE,
        config={},
        data_fingerprint="0123456789abcdef",
        run_id=None,
        probe_users=probe_users,
    )
    write_bundle(bundle, model or tiny.model(), tiny.encoder(), tiny.titles(), tiny.items(), facts)
    return build_archive(bundle, HANDLER, model_store, MODEL_NAME, version)
