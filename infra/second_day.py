"""Checks that a deployment answers right after its log has changed: `change` writes the log, `check` asks.

    python3 -m infra.second_day change .recstack/downloads/ml-100k FOLDER
    make deploy DATA=FOLDER
    python3 -m infra.second_day check FOLDER

In the changed log one user has rated everything that they were just offered, and another is no longer there.
"""

import json
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from infra.deployment import broken, inference_token, passed, request, url

RATINGS, EXPECTED = "ml-100k.inter", "expected.json"
BUSY, GONE = 1, 2
"""The user who rates what they were offered, and the one who is gone."""
OTHERS = range(3, 60)
OFFERED = 20


@cache
def token() -> str:
    """The deployment's token, read once: that takes seconds."""
    return inference_token()


def ask(user: int) -> Any:
    """The deployment's answer to a user."""
    address = url("TORCHSERVE_PORT", "/predictions/recstack")
    reply = request(address, {"user_id": user, "k": OFFERED}, token=token())
    if reply.status != 200:
        broken(f"user {user} gets {reply.status}: {reply.body[:300]!r}")
    return reply.json()


def change(source: Path, target: Path) -> None:
    """Write the changed log, and what it must lead to, into a new folder."""
    offered = [item["item_id"] for item in ask(BUSY)["items"]]
    shutil.copytree(source, target)
    header, *lines = (source / RATINGS).read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    end = max(int(float(row[3])) for row in rows)
    rows = [row for row in rows if int(row[0]) != GONE]
    rows += [[str(BUSY), str(item), "5", str(end + second)] for second, item in enumerate(offered, 1)]
    (target / RATINGS).write_text("\n".join([header, *map("\t".join, rows)]) + "\n")
    rated: dict[int, list[int]] = {}
    for user, item, *_ in rows:
        rated.setdefault(int(user), []).append(int(item))
    (target / EXPECTED).write_text(json.dumps({"offered": offered, "rated": rated}))
    passed(f"user {BUSY} has rated the {len(offered)} items that they were offered, user {GONE} is gone")


def check(folder: Path) -> None:
    """Ask, and compare with what the changed log says."""
    rated = json.loads((folder / EXPECTED).read_text())["rated"]
    for user in (BUSY, *OTHERS):
        answer = ask(user)
        again = {item["item_id"] for item in answer["items"]} & set(rated[str(user)])
        if answer["policy"] != "personal" or again or len(answer["items"]) < OFFERED:
            broken(f"user {user} gets {len(answer['items'])} items, policy {answer['policy']}, rated before: {again}")
    passed(f"{1 + len(OTHERS)} users get personal answers without anything that they have rated")
    if (policy := ask(GONE)["policy"]) != "popular":
        broken(f"user {GONE} is not in the log any more, and gets the policy {policy}")
    passed(f"nothing is known of user {GONE} any more")


if __name__ == "__main__":
    {"change": change, "check": check}[sys.argv[1]](*map(Path, sys.argv[2:]))
