"""The newest rows are found in any layout of files, and the memory does not grow with the number of rows."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from checkout import ROOT

from recstack.feature_store.newest import BATCH_ROWS, Source, newest

MEASURE = """
import resource, sys
from pathlib import Path
from recstack.feature_store.newest import Source, newest
files = tuple(sorted(Path(sys.argv[1]).glob("*.parquet")))
rows = sum(map(len, newest(Source(files, "user", "at", None), ["user", "vector", "at"])))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def timestamps(seconds: np.ndarray, unit: str = "us", tz: str | None = "UTC") -> pa.Array:
    return pa.array(1_700_000_000 + seconds, pa.timestamp("s", tz)).cast(pa.timestamp(unit, tz))


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path, row_group_size=700)
    return path


def test_batches_hold_the_newest_row_of_each_entity_under_the_names_of_the_view(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    users, seconds = draw.integers(0, 5_000, 20_000), draw.permutation(20_000)
    rows = pa.table({"user": users, "at": timestamps(seconds), "raw": seconds})
    files = tuple(write(tmp_path / f"{n}.parquet", rows.slice(n * 5_000, 5_000)) for n in range(4))
    source = Source(files, "user", "at", None, {"value": "raw"})
    batches = list(newest(source, ["value", "user"]))
    assert all(BATCH_ROWS <= len(batch) < 2 * BATCH_ROWS for batch in batches[:-1])
    found = pa.Table.from_batches(batches)
    last = {user: max(seconds[users == user]) for user in np.unique(users)}
    assert dict(zip(found["user"].to_pylist(), found["value"].to_pylist(), strict=True)) == last
    assert len(found) == len(last)


def test_times_compare_whatever_the_unit_and_the_zone(tmp_path: Path) -> None:
    for unit, tz in (("us", "UTC"), ("ns", "UTC"), ("ms", None), ("us", "Europe/Berlin")):
        times = timestamps(np.array([3, -2_000_000_000, 1]), unit, tz)
        rows = pa.table({"user": [1, 2, 1], "at": times, "value": [7, 8, 9]})
        file = write(tmp_path / "rows.parquet", rows)
        (batch,) = newest(Source((file,), "user", "at", None), ["user", "value"])
        assert batch.to_pylist() == [{"user": 1, "value": 7}, {"user": 2, "value": 8}]


def test_a_row_further_on_counts_where_nothing_else_decides(tmp_path: Path) -> None:
    same = timestamps(np.zeros(3, dtype=int))
    files = tuple(
        write(tmp_path / f"{n}.parquet", pa.table({"user": [1, 1, 2], "at": same, "value": [n, n + 10, n + 20]}))
        for n in range(2)
    )
    (batch,) = newest(Source(files, "user", "at", None), ["user", "value"])
    assert batch.to_pylist() == [{"user": 1, "value": 11}, {"user": 2, "value": 21}]


def test_four_times_the_users_take_no_more_memory(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    most = []
    for users in (50_000, 200_000):
        folder = tmp_path / str(users)
        folder.mkdir()
        for start in range(0, users, 50_000):
            vectors = pa.FixedSizeListArray.from_arrays(draw.random(50_000 * 128, dtype=np.float32), 128)
            ids = np.arange(start, start + 50_000)
            rows = {"user": ids, "at": timestamps(ids), "vector": vectors.cast(pa.list_(pa.float32()))}
            pq.write_table(pa.table(rows), folder / f"{start:09}.parquet", row_group_size=10_000)
        command = [sys.executable, "-c", MEASURE, str(folder)]
        done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
        rows_read, megabytes = map(int, done.stdout.split())
        assert rows_read == users
        most.append(megabytes)
    assert most[1] < most[0] + 40, "200,000 vectors are 100 MB"
