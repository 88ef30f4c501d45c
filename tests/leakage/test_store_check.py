"""What models learn from is compared with the feature store, and rows at size are computed where they are read."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workspace import Workspace

from recstack import columns as c
from recstack.data.splits import TRAIN
from recstack.feature_store.generations import FeatureStoreError
from recstack.feature_store.registry import apply
from recstack.features import users_as_of
from recstack.features.batches import UserBatch
from recstack.features.users_as_of import UsersAsOf, blocks
from recstack.storage.lake import opened
from recstack.training.dataset import training_data

PLANTS = {
    c.RATING_COUNT: lambda column: pa.array([None if v is None else v + 1 for v in column.to_pylist()], pa.int64()),
    c.GENRE_PROFILE: lambda column: pa.array([v and [*v[:-1], v[-1] + 0.01] for v in column.to_pylist()], column.type),
    c.RECENT_ITEMS: lambda column: pa.array([v and [v[0] + 1, *v[1:]] for v in column.to_pylist()], column.type),
    c.SEEN_RATINGS: lambda column: pa.array([v and v[::-1] for v in column.to_pylist()], column.type),
}


@pytest.mark.parametrize("feature", PLANTS)
@pytest.mark.parametrize("kind", ["shop", "timeless_shop"])
def test_features_that_the_store_has_otherwise_stop_the_training(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, feature: str
) -> None:
    shop: Workspace = request.getfixturevalue(kind)
    tables = tmp_path / shop.features.path.name
    shutil.copytree(shop.features.path, tables)
    settings = shop.settings.model_copy(update={"recstack_home": tmp_path / "home"})
    rows = pq.read_table(tables / "user")
    shutil.rmtree(tables / "user")
    (tables / "user").mkdir()
    planted = PLANTS[feature](rows[feature].combine_chunks())
    at = rows.schema.get_field_index(feature)
    pq.write_table(rows.set_column(at, rows.schema.field(at), planted), tables / "user" / "part.parquet")
    apply(settings, tables)
    with pytest.raises(FeatureStoreError, match=f"{feature} of user .* in training, but .* in the feature store"):
        training_data(settings, opened(tables), (TRAIN,))


@pytest.mark.parametrize("kind", ["shop", "timeless_shop"])
def test_rows_of_a_large_log_are_those_of_a_small_one(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    shop: Workspace = request.getfixturevalue(kind)
    kept = shop.experiment.data((TRAIN,)).users
    monkeypatch.setattr(users_as_of, "KEPT", 0)
    computed = training_data(shop.settings, shop.features, (TRAIN,)).users
    assert isinstance(kept, UserBatch)
    assert isinstance(computed, UsersAsOf)
    again = UserBatch.concatenate(list(blocks(computed)))
    for name in ("genres", "scalars", "recent", "recent_ratings", "seen_offsets", "seen", "seen_ratings", "ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name), err_msg=name)
