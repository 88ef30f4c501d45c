"""A load that is killed at any point leaves whole rows, of one day or the other, and the next load ends right."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from changing_log import add, delete_user, first_day
from checkout import ROOT
from two_days import MONDAY, TUESDAY, Day, TwoDays, load, rows

from recstack.settings import Settings

pytestmark = pytest.mark.xdist_group("kills")  # its fixtures are built once
KILLS = 10
LOADER = """
import os, sys
from datetime import datetime
from pathlib import Path
from recstack.feature_store import engine  # imported once: each load is a fork
from recstack.feature_store.registry import apply, materialize
from recstack.settings import Settings
settings, tables = Settings(), Path(sys.argv[1])
for line in sys.stdin:
    child = os.fork()
    if not child:
        apply(settings, tables, datetime.fromisoformat(line.strip()))
        materialize(settings, tables)
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def grown(compute: Callable[..., Day], tmp_path_factory: pytest.TempPathFactory) -> TwoDays:
    lake = tmp_path_factory.mktemp("lake")
    first = first_day(timed=True)
    return TwoDays(compute(first, lake), compute(add(delete_user(first)), lake), new_generation=False)


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_load_killed_at_ten_points_leaves_whole_rows_and_the_next_one_ends_right(
    grown: TwoDays, store: str, redis: str, tmp_path: Path
) -> None:
    settings = Settings(
        recstack_home=tmp_path,
        dataset=f"killed{time.time_ns()}",
        lake_uri=grown.first.features.path.parents[1],
        feast_online="sqlite" if store == "sqlite" else redis,
        feast_registry="file",
    )
    load(settings, grown.first, MONDAY)
    before = rows(settings, grown, grown.first)
    fresh = settings.model_copy(update={"dataset": f"{settings.dataset}fresh"})
    load(fresh, grown.second, TUESDAY)
    after = rows(fresh, grown, grown.second)

    loader = subprocess.Popen(
        [sys.executable, "-c", LOADER, str(grown.second.features.path)],
        env=settings.child_environment() | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert loader.stdin is not None and loader.stdout is not None
    try:

        def start(number: int) -> int:
            loader.stdin.write((TUESDAY + timedelta(seconds=number)).isoformat() + "\n")
            loader.stdin.flush()
            return int(loader.stdout.readline())

        began = time.monotonic()
        start(0)
        assert loader.stdout.readline() == "ended\n"
        seconds = time.monotonic() - began
        assert rows(settings, grown, grown.second) == after

        for number in range(1, KILLS + 1):
            load(settings, grown.first, TUESDAY + timedelta(hours=number))
            child = start(3600 * number + 1)
            time.sleep(seconds * number / (KILLS + 1) * random.uniform(0.8, 1.2))
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:  # it was faster this time
                pass
            assert loader.stdout.readline() == "ended\n"
            found = rows(settings, grown, None)
            for owner, table in found.items():
                one, other = before[owner].to_pylist(), after[owner].to_pylist()
                for row, old, new in zip(table.to_pylist(), one, other, strict=True):
                    assert row in (old, new), (owner, json.dumps(row, default=str))
        start(3600 * (KILLS + 1))
        assert loader.stdout.readline() == "ended\n"
        assert rows(settings, grown, grown.second) == after
    finally:
        loader.kill()
        loader.wait()
