"""A rollout that is killed at any point leaves a version that answers everything, and the next rollout ends right."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tiny_catalogue as tiny
from checkout import ROOT
from tiny_serving import archive, load_online_store, torchserve_addresses

from recstack.release.rollout import MODEL_NAME, last_rolled_out, roll_out
from recstack.settings import Settings
from recstack.torchserve.server import server_of, start_server, stop_server

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("rollout kills")]

KILLS = 10
ROLLER = """
import os, sys
from pathlib import Path
from recstack.release.rollout import roll_out  # imported once: each rollout is a fork
from recstack.settings import Settings
from recstack.torchserve.server import server_of
settings = Settings()
for line in sys.stdin:
    child = os.fork()
    if not child:
        roll_out(server_of(settings).api, Path(line.strip()), settings)
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@dataclass
class Client:
    """Asks for known users without a pause, and keeps what was wrong."""

    settings: Settings
    wrong: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        api = server_of(self.settings).api
        while not self.stopped.is_set():
            for user in (1, 2):
                try:
                    answer: dict[str, Any] = api.predict(MODEL_NAME, {"user_id": user, "k": 3})
                except Exception as error:
                    self.wrong.append(f"user {user}: {error!r}")
                    continue
                self.versions.add(answer["model_version"])
                again = {item["item_id"] for item in answer["items"]} & set(tiny.HISTORIES[user][0])
                if answer["policy"] != "personal" or len(answer["items"]) < 3 or again:
                    self.wrong.append(f"user {user}: {answer}")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = Settings(
        recstack_home=tmp_path / "home", model_store=tmp_path / "store", dataset="tiny", **torchserve_addresses()
    )
    load_online_store(found)
    start_server(server_of(found))
    yield found
    stop_server(server_of(found))


def test_no_answer_is_wrong_while_rollouts_are_killed_and_the_next_one_ends_right(
    settings: Settings, tmp_path: Path
) -> None:
    api = server_of(settings).api

    def new(version: str) -> Path:
        return archive(tmp_path, settings.model_store, version, probe_users=(1, 2))

    began = time.monotonic()
    roll_out(api, new("0"), settings)
    seconds = time.monotonic() - began
    client = Client(settings)
    asking = threading.Thread(target=client.run)
    asking.start()
    roller = subprocess.Popen(
        [sys.executable, "-c", ROLLER],
        env=settings.child_environment() | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert roller.stdin is not None and roller.stdout is not None
    try:
        for number in range(1, KILLS + 1):
            killed = new(f"{number}")
            roller.stdin.write(f"{killed}\n")
            roller.stdin.flush()
            child = int(roller.stdout.readline())
            time.sleep(seconds * number / KILLS * random.uniform(0.8, 1.2))
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:  # it was faster this time
                pass
            assert roller.stdout.readline() == "ended\n"
            assert api.default_version(MODEL_NAME) in {f"{number - 1}", f"{number}"}
            roll_out(api, killed, settings)
            assert set(api.versions(MODEL_NAME)) == {f"{number}"}
            assert last_rolled_out(settings.model_store) == killed
            assert not client.wrong, (number, client.wrong[:5])
    finally:
        client.stopped.set()
        roller.kill()
        roller.wait()
    asking.join()
    assert not client.wrong
    assert client.versions >= {f"{number}" for number in range(KILLS)}
