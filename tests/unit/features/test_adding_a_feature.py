"""The example of docs/adding-a-feature.md works as written: its edits are enough."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from edited_copy import copy_with_new_feature

from recstack.features.spec import USER_SCALARS

# 2024-03-09 is a Saturday. Three ratings: on Friday, Saturday and Sunday; then the request of an anonymous user.
TRIED = """
import json
import brute_force
import numpy as np
from brute_force import leave_each_out
from recstack.features.encode import Encoder
from recstack.features.histories import Histories, Past
from recstack.features.item_genres import ItemGenres
from recstack.features.request_time import History, user_rows
from recstack.features.spec import USER_SCALARS, schema
from recstack.features.user_features import user_features
import pyarrow as pa

SATURDAY = 1_709_942_400
genres = ItemGenres(np.array([1, 2, 3]), np.array([0, 1, 2, 3]), np.array([0, 0, 0]), 1)
time = np.array([SATURDAY - 1, SATURDAY, SATURDAY + 86_400])
histories = Histories(np.array([1, 2, 3]), np.array([3.0, 4.0, 5.0]), time, has_timestamps=True)
rows = user_features(Past(histories, np.zeros(4, int), np.arange(4)), genres)
left_out = user_features(leave_each_out(histories, np.array([0]), np.array([3])), genres)
request = user_rows([History([1, 2], [4.0, 4.0])], genres, SATURDAY)
undated = user_rows([History([1, 2], [4.0, 4.0])], genres, None)
ratings = [brute_force.Rating(1, item, float(item + 2), int(second)) for item, second in zip([1, 2, 3], time)]
for seen, row in enumerate(rows.to_pylist()):
    brute_force.assert_equal(row, brute_force.features(ratings[:seen], {1: [0], 2: [0], 3: [0]}, 1))
items = pa.table({"item_id": [1, 2, 3], **{f.name: pa.nulls(3, f.type) for f in schema("item")}})
batch = Encoder.fit(rows, np.full(4, SATURDAY), items, ("war",)).users(request, np.array([SATURDAY]))
print(json.dumps({
    "rows": rows["weekend_share"].to_pylist(),
    "left_out": left_out["weekend_share"].to_pylist(),
    "request": request["weekend_share"].to_pylist(),
    "undated": undated["weekend_share"].to_pylist(),
    "width": batch.scalars.shape[1],
    "encoded": float(batch.scalars[0, USER_SCALARS.index("weekend_share")]),
}))
"""


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    return copy_with_new_feature(tmp_path)


def test_the_edits_of_the_page_give_training_rows_requests_and_models_a_feature(edited: Path) -> None:
    command, path = [sys.executable, "-c", TRIED], {"PYTHONPATH": f"{edited}:{edited / 'tests'}"}
    result = subprocess.run(command, cwd=edited, env=path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["rows"] == [None, 0.0, 0.5, pytest.approx(2 / 3)]
    assert found["left_out"] == [1.0, 0.5, 0.5]
    assert found["request"] == [1.0]
    assert found["undated"] == [None]
    assert found["width"] == len(USER_SCALARS) + 1
    assert found["encoded"] > 0


def test_the_edits_of_the_page_change_the_feature_schema(edited: Path) -> None:
    digests = []
    for root in (ROOT, edited):
        command = [sys.executable, "-c", "from recstack.features import spec; print(spec.schema_digest())"]
        result = subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True)
        digests.append(result.stdout.strip())
    assert all(digests) and len(set(digests)) == 2
