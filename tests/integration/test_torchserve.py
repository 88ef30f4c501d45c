import json
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tiny_catalogue as tiny
from bad_requests import BAD_REQUESTS
from checkout import ROOT
from scipy import sparse
from tiny_serving import DAMAGED, archive, free_address, load_online_store, torchserve_addresses

from recstack.errors import UserError
from recstack.models.base import Recommender
from recstack.models.item_item.model import ItemItem
from recstack.release.rollout import roll_out, serve_again, switch_version
from recstack.settings import Settings
from recstack.torchserve.api import Api, TorchServeError
from recstack.torchserve.background import ServerError
from recstack.torchserve.server import Server, server_of, start_server, stop_server

MODEL = "recstack"
JSON = {"Content-Type": "application/json"}
BANNED = ("pyspark", "prefect", "mlflow")


def traps(folder: Path) -> Path:
    """Packages that leave a file when a worker imports them, and a file for each run of the garbage collector."""
    for name in BANNED:
        package = folder / "traps" / name
        package.mkdir(parents=True)
        package.joinpath("__init__.py").write_text(
            "from pathlib import Path\n\nPath(__file__).with_name('imported').touch()\nraise ImportError('a trap')\n"
        )
    (folder / "traps" / "sitecustomize.py").write_text(
        "import gc\nfrom pathlib import Path\n\n"
        "gc.callbacks.append(lambda phase, info: Path(__file__).with_name('collected').touch())\n"
    )
    return folder / "traps"


@dataclass(frozen=True)
class Serving:
    server: Server
    settings: Settings
    folder: Path

    def ask(self, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.server.api.predict(MODEL, body)
        return answer


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("ts")
    settings = Settings(
        recstack_home=folder / "home",
        model_store=folder / "store",
        **torchserve_addresses(),
    )
    load_online_store(settings.model_copy(update={"dataset": "tiny"}))
    server = server_of(settings)
    server = replace(server, environment={**server.environment, "PYTHONPATH": f"{traps(folder)}:{ROOT}"})
    start_server(server)
    try:
        switch_version(server.api, archive(folder, settings.model_store, "1"), MODEL, "1", settings)
        yield Serving(server, settings, folder)
    finally:
        stop_server(server)


def ids(answer: dict[str, Any]) -> list[int]:
    return [item["item_id"] for item in answer["items"]]


def refused(url: str, token: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.post(url, content=body, headers={"Authorization": f"Bearer {token}", **headers}, timeout=10)
    assert answer.is_error
    return answer.status_code, answer.json()


def test_a_known_user_gets_unseen_items_from_the_features_in_feast(serving: Serving) -> None:
    answer = serving.ask(user_id=1, k=2)
    assert answer["policy"] == "personal"
    assert set(ids(answer)) == {33, 34}
    assert answer["features_as_of"] == "2023-12-01T00:00:00Z", "the horizon of the load"
    assert answer["model_version"] == "1"
    assert answer["request_id"]
    assert answer["items"][0]["reasons"]


def test_an_anonymous_user_gets_items_like_those_that_they_name(serving: Serving) -> None:
    answer = serving.ask(liked=[21, 22], k=2)
    assert (answer["policy"], ids(answer)) == ("cold_start", [23, 24])


def test_an_unknown_user_gets_popular_items(serving: Serving) -> None:
    answer = serving.ask(user_id=10**12, k=3)
    assert (answer["policy"], ids(answer)) == ("popular", [11, 12, 21])


def test_workers_import_neither_spark_nor_prefect_nor_mlflow(serving: Serving) -> None:
    serving.ask(user_id=1)
    found = sorted(trace.parent.name for trace in (serving.folder / "traps").rglob("imported"))
    assert found == []
    subprocess.run(
        [sys.executable, "-c", "import mlflow"], env=dict(serving.server.environment), stderr=subprocess.PIPE
    )
    assert (serving.folder / "traps" / "mlflow" / "imported").exists(), "the traps themselves do not work"


def test_the_garbage_collector_runs_again_once_a_worker_answers(serving: Serving) -> None:
    trace = serving.folder / "traps" / "collected"
    serving.ask(user_id=1)
    trace.unlink(missing_ok=True)
    for _ in range(200):
        serving.ask(user_id=1)
    assert trace.exists()


def test_bad_requests_fail_alone_among_concurrent_ones(serving: Serving) -> None:
    def one(number: int) -> str:
        try:
            return str(serving.ask(user_id=1, k=0 if number % 4 == 0 else 2)["policy"])
        except TorchServeError as error:
            return f"{error.status} {error}"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(one, range(64)))
    assert [outcome == "personal" for outcome in outcomes] == [number % 4 != 0 for number in range(64)]
    assert outcomes[0].startswith("400 ")
    assert "k: must be a whole number from 1 to 100, not 0" in outcomes[0]


@pytest.mark.parametrize(("body", "field", "reason"), BAD_REQUESTS, ids=lambda value: str(value)[:40])
def test_an_error_names_the_field_and_the_reason(serving: Serving, body: Any, field: str, reason: str) -> None:
    url, token = f"{serving.server.inference_url}/predictions/{MODEL}", serving.server.api.token("inference")
    status, error = refused(url, token, json.dumps(body).encode(), **JSON)
    assert (status, error["type"], error["code"]) == (400, "BadRequest", 400)
    assert (error["field"], error["reason"], error["message"]) == (field, reason, f"{field}: {reason}")


def test_a_body_that_is_not_json_is_refused(serving: Serving) -> None:
    url, token = f"{serving.server.inference_url}/predictions/{MODEL}", serving.server.api.token("inference")
    status, error = refused(url, token, b'{"user_id"', **JSON)
    assert (status, error["field"]) == (400, "body")
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl sends by default
    status, error = refused(url, token, b'{"user_id": 1}', **form)
    assert "Content-Type: application/json" in error["reason"]


def test_without_the_right_token_nothing_answers(serving: Serving) -> None:
    for url in (f"{serving.server.inference_url}/predictions/{MODEL}", f"{serving.server.management_url}/models"):
        status, error = refused(url, "wrong", b"{}")
        assert (status, error["type"]) == (400, "InvalidKeyException")
    api = serving.server.api
    status, _ = refused(f"{serving.server.management_url}/models", api.token("inference"), b"{}")
    assert status == 400


def test_the_key_file_is_for_its_owner_alone(serving: Serving) -> None:
    assert serving.server.api.keys.stat().st_mode & 0o077 == 0


def test_archives_come_from_the_model_store_alone(serving: Serving, tmp_path: Path) -> None:
    outside = archive(tmp_path, tmp_path / "outside", "9")
    for url in (f"file://{outside}", "http://127.0.0.1:1/x.mar"):
        with pytest.raises(TorchServeError, match="does not match any allowed URL"):
            serving.server.api.register(url, workers=1, batch_size=1, max_batch_delay_ms=1, timeout=30)


def counted(serving: Serving, start_of_line: str, at_least: float = 0) -> float:
    """The value of a metric once it is so high; a worker reports within 0.2 s."""
    deadline = time.monotonic() + 10
    while True:
        lines = httpx.get(f"{serving.server.metrics_url}/metrics", timeout=10).text.splitlines()
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start_of_line)]
        if values and values[0] >= at_least:
            return values[0]
        assert time.monotonic() < deadline, start_of_line
        time.sleep(0.1)


def test_metrics_count_requests_by_policy(serving: Serving) -> None:
    serving.ask(user_id=1)
    serving.ask(user_id=77)
    for start_of_line in (
        'recstack_requests_total{policy="personal",version="1"',
        'recstack_requests_total{policy="popular",version="1"',
        'recstack_missing_features_total{version="1"',
        'recstack_feature_read_ms_count{version="1"',
        'recstack_scoring_ms_count{version="1"',
    ):
        assert counted(serving, start_of_line, at_least=1)
    for cause in ("store", "model"):
        assert counted(serving, f'recstack_failures_total{{cause="{cause}",version="1"') == 0


def test_starting_twice_leaves_the_running_server_alone(serving: Serving) -> None:
    before = serving.server.background.process
    start_server(serving.server)
    assert serving.server.background.process == before


def test_a_port_in_use_is_named(serving: Serving) -> None:
    second = replace(serving.server, home=serving.folder / "second")
    with pytest.raises(
        ServerError, match="port .* is taken by another process. Stop that, or set TORCHSERVE_INFERENCE"
    ):
        start_server(second)


def test_a_damaged_archive_is_refused_and_the_old_version_goes_on(serving: Serving) -> None:
    good = archive(serving.folder, serving.settings.model_store, "2-damaged")
    damaged = good.with_name("damaged.mar")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(damaged, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry) + (b" " if entry == "encoder.json" else b""))
    with pytest.raises(TorchServeError, match="damaged.mar was not rolled out"):
        switch_version(serving.server.api, damaged, MODEL, "2-damaged", serving.settings)
    assert list(serving.server.api.versions(MODEL)) == ["1"]
    assert serving.ask(user_id=1)["model_version"] == "1"
    assert "checksum of encoder.json" in (serving.server.home / "logs" / "model.log").read_text()


def item_item(similarity: float, popularity: Any) -> ItemItem:
    size = len(tiny.IDS)
    return ItemItem(sparse.csr_array(np.full((size, size), similarity, np.float32)), np.array(popularity, np.float32))


@pytest.mark.parametrize(
    ("name", "model", "why"),
    [
        ("raises", item_item(0, [0.0] * 3), "the model can't score an anonymous user: .*Error"),
        ("nan", item_item(np.nan, [0.0] * len(tiny.IDS)), "the model gives scores that are not numbers"),
        ("equal", item_item(0, [0.0] * len(tiny.IDS)), "the model gives all items the same score, for each of 3 users"),
    ],
)
def test_a_model_that_cannot_score_is_refused_with_the_cause_and_the_old_version_goes_on(
    serving: Serving, name: str, model: Recommender, why: str
) -> None:
    bad = archive(serving.folder, serving.settings.model_store, f"3-{name}", model)
    with pytest.raises(TorchServeError, match=f"{bad.name} was not rolled out.*BundleError: {why}"):
        roll_out(serving.server.api, bad, serving.settings)
    assert list(serving.server.api.versions(MODEL)) == ["1"]
    assert serving.ask(user_id=1)["model_version"] == "1"


def test_a_version_that_cannot_answer_a_known_user_is_refused_with_the_cause(serving: Serving) -> None:
    bad = archive(serving.folder, serving.settings.model_store, "3-row", probe_users=(1, 2, 77, DAMAGED))
    why = f"the online store knows user {DAMAGED}, but the answer to them is popular: .*Error: "
    with pytest.raises(TorchServeError, match=why):
        roll_out(serving.server.api, bad, serving.settings)
    assert list(serving.server.api.versions(MODEL)) == ["1"]


def test_a_version_of_whose_users_the_online_store_has_none_is_refused(serving: Serving) -> None:
    bad = archive(serving.folder, serving.settings.model_store, "3-nobody", probe_users=(77, 78))
    with pytest.raises(UserError, match="no features of its users 77, 78: run the flow materialize"):
        roll_out(serving.server.api, bad, serving.settings)


def test_a_new_version_takes_over_without_a_failed_request(serving: Serving) -> None:
    versions: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            versions.append(serving.ask(user_id=1, k=3)["model_version"])

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        second = archive(serving.folder, serving.settings.model_store, "2")
        switch_version(serving.server.api, second, MODEL, "2", serving.settings)
        done.set()
        for future in asking:
            future.result()
    assert set(versions) == {"1", "2"}
    assert list(serving.server.api.versions(MODEL)) == ["2"]
    switch_version(serving.server.api, second, MODEL, "2", serving.settings)
    assert serving.ask(user_id=1)["model_version"] == "2"


def test_popular_items_are_served_and_the_log_says_why_when_the_online_store_is_gone(serving: Serving) -> None:
    with sqlite3.connect(serving.settings.recstack_home / "tiny" / "feast" / "online.db") as online:
        for (name,) in online.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            online.execute(f'DROP TABLE "{name}"')
    answer = serving.ask(user_id=1, k=3)
    assert (answer["policy"], ids(answer)) == ("popular", [11, 12, 21])
    log, why = (
        serving.server.home / "logs" / "model.log",
        "popular items for user 1: the online store could not be read",
    )
    deadline = time.monotonic() + 10
    while why not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "answers since the last such line the store failed for 1, first with" in log.read_text()
    assert counted(serving, 'recstack_failures_total{cause="store",version="2"', at_least=1) == 1
    assert counted(serving, 'recstack_failures_total{cause="model",version="2"') == 0
    assert serving.ask(liked=[21, 22], k=1)["policy"] == "cold_start"


def test_without_the_online_store_nothing_is_rolled_out_and_what_was_served_is_served_again(serving: Serving) -> None:
    new = archive(serving.folder, serving.settings.model_store, "4", probe_users=(1,))
    with pytest.raises(UserError, match="4.mar was not rolled out. The online store can't be read: .*no such table"):
        roll_out(serving.server.api, new, serving.settings)
    assert list(serving.server.api.versions(MODEL)) == ["2"]
    serve_again(serving.server.api, new, serving.settings)
    assert serving.ask(liked=[21, 22], k=1)["model_version"] == "4"


def test_a_server_that_does_not_run_is_named_in_the_error(serving: Serving) -> None:
    api = Api(free_address(), free_address(), serving.server.api.keys)
    with pytest.raises(TorchServeError, match="does not answer at http://127.0.0.1"):
        api.versions(MODEL)
    with pytest.raises(TorchServeError, match="is TorchServe started"):
        replace(api, keys=serving.folder / "none.json").versions(MODEL)
