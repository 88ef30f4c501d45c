"""New code that defines one feature more serves the model of yesterday from its rows, until the rollout switches."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from changing_log import first_day
from edited_copy import copy_with_new_feature
from two_days import MONDAY, Day, bundle_of, load

from recstack.settings import Settings

pytestmark = pytest.mark.xdist_group("new code")

NEW_CODE = """
import json, sys, time
from pathlib import Path
from recstack.archive.bundle import Bundle
from recstack.archive.opening import open_engine
from recstack.features import spec
from recstack.settings import Settings
assert "weekend_share" in spec.names("user")
now = int(sys.argv[2])
engine = open_engine(Bundle.read(Path(sys.argv[1])), Settings(), now)
bodies = [{"user_id": user, "k": 5} for user in json.loads(sys.argv[3])] + [{"liked": [1, 2], "k": 5}]
answers = engine.answer([engine.parse(body) for body in bodies], now).answers
print(json.dumps([[each.policy, [item.item_id for item in each.items]] for each in answers]))
"""


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_model_of_before_a_new_feature_gives_known_users_personal_answers_without_what_they_rated(
    compute: Callable[..., Day], store: str, redis: str, tmp_path: Path
) -> None:
    day = compute(first_day(timed=True), tmp_path / "lake")
    settings = Settings(
        recstack_home=tmp_path,
        dataset=f"new{time.time_ns()}",
        lake_uri=tmp_path / "lake",
        feast_online="sqlite" if store == "sqlite" else redis,
        feast_registry="file",
    )
    load(settings, day, MONDAY)
    bundle = bundle_of(settings, day, tmp_path / "bundle")
    users = sorted(day.rated)
    arguments = [str(bundle.folder), str(int(MONDAY.timestamp()) + 172_800), json.dumps(users)]
    result = subprocess.run(
        [sys.executable, "-c", NEW_CODE, *arguments],
        cwd=tmp_path,
        env=settings.child_environment() | {"PYTHONPATH": str(copy_with_new_feature(tmp_path / "new"))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    *known, anonymous = json.loads(result.stdout.splitlines()[-1])
    assert {policy for policy, _ in known} == {"personal"}
    assert anonymous[0] != "popular"
    for user, (_, offered) in zip(users, known, strict=True):
        assert len(offered) == 5
        assert not set(offered) & day.rated[user]
