"""A real TorchServe and Redis answer all the while, through every change of the log and every rollout."""

import csv
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from changing_log import Log, add, correct, delete_user, first_day, genre_of_an_old_item, new_genre, withdraw
from checkout import ROOT
from tiny_serving import torchserve_addresses

from recstack.release.rollout import MODEL_NAME
from recstack.settings import Settings
from recstack.torchserve.server import server_of, start_server, stop_server

pytestmark = [pytest.mark.timeout(1800), pytest.mark.xdist_group("live")]

PIPELINES = """
import json, sys
from flows.pipeline import pipeline
for line in sys.stdin:
    pipeline(**json.loads(line))
    print("pipeline ended", flush=True)
"""
MAPPING = """
[interactions]
file = "ratings.csv"
user = "user"
item = "item"
rating = "rating"
time = "time"
time_format = "seconds"
[rating]
min = 1
max = 5
positive_from = 4
[items]
file = "items.csv"
item = "item"
title = "title"
genres = "genres"
year = "year"
"""


def write_csv(log: Log, folder: Path) -> None:
    """The log as a person's own files."""
    folder.mkdir(exist_ok=True)
    (folder / "mapping.toml").write_text(MAPPING)
    with (folder / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "rating", "time"])
        writer.writerows([user, item, *given] for (user, item), given in sorted(log.ratings.items()))
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "title", "genres", "year"])
        writer.writerows([i, f"Film {i}", "|".join(log.genres[i]), log.years[i]] for i in sorted(log.genres))


def rated(log: Log) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for user, item in log.ratings:
        found.setdefault(user, set()).add(item)
    return found


@dataclass
class Client:
    """Asks for one user after the other without a pause, and keeps what was wrong."""

    settings: Settings
    never: dict[int, set[int]]
    """Items that each known user has rated, before and after what happens just now."""
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    versions: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        api = server_of(self.settings).api
        while not self.stopped.is_set():
            for user, items in list(self.never.items()):
                try:
                    answer: dict[str, Any] = api.predict(MODEL_NAME, {"user_id": user, "k": 5})
                except Exception as error:
                    self.wrong.append(f"user {user}: {error}")
                    continue
                offered = {item["item_id"] for item in answer["items"]}
                self.answers += 1
                self.versions.add(answer["model_version"])
                if answer["policy"] != "personal":
                    self.wrong.append(f"user {user}: {answer['policy']} by {answer['model_version']}")
                if len(offered) < 5 or offered & items:
                    self.wrong.append(f"user {user} got {sorted(offered)}, rated {sorted(items)}")


@pytest.fixture
def settings(tmp_path: Path, redis: str) -> Iterator[Settings]:
    found = Settings(
        recstack_home=tmp_path / "home",
        model_store=tmp_path / "models",
        dataset="csv",
        spark_master="local[2]",
        feast_online=f"{redis},db=7",
        **torchserve_addresses(),
    )
    start_server(server_of(found))
    yield found
    stop_server(server_of(found))


def test_every_known_user_gets_personal_unseen_items_without_an_error_through_all_changes(
    settings: Settings, tmp_path: Path
) -> None:
    environment = settings.child_environment() | {"PYTHONPATH": str(ROOT)}
    environment["PREFECT_HOME"] = str(tmp_path / "prefect")
    runner = subprocess.Popen(
        [sys.executable, "-c", PIPELINES],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert runner.stdin is not None and runner.stdout is not None
    output: list[str] = []

    def pipeline(log: Log, **parameters: Any) -> None:
        write_csv(log, tmp_path / "source")
        body = {"dataset": "csv", "data": str(tmp_path / "source"), "model": "item_item", **parameters}
        runner.stdin.write(json.dumps(body) + "\n")
        runner.stdin.flush()
        for line in runner.stdout:
            output.append(line)
            if line == "pipeline ended\n":
                return
        pytest.fail("the pipeline ended with an error:\n" + "".join(output[-60:]))

    log = first_day(timed=True)
    client = Client(settings, {})
    try:
        pipeline(log)
        client.never = rated(log)
        asking = threading.Thread(target=client.run)
        asking.start()
        for number, change in enumerate([add, correct, withdraw, delete_user, new_genre, genre_of_an_old_item, None]):
            changed = change(log) if change else log
            before, after = rated(log), rated(changed)
            client.never = {user: before[user] & after[user] for user in before.keys() & after.keys()}
            pipeline(changed, **({"alpha": 0.3} if change is None else {}))
            client.never = after
            time.sleep(1)
            assert not client.wrong, (number, change, client.wrong[:5], client.answers)
            log = changed
    finally:
        client.stopped.set()
        runner.kill()
        runner.wait()
    asking.join()
    assert client.answers > 300
    assert len(client.versions) > 1, "no rollout happened"
