"""With daily snapshots training, evaluation and serving all read the row of the last midnight."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from workspace import Workspace, at, open_shop

from recstack import columns as c
from recstack.data.splits import TRAIN
from recstack.evaluation.protocols import TRAINED_PARTS, Part
from recstack.experiments.compare import compare
from recstack.feature_store.offline import historical
from recstack.features.batches import UserBatch
from recstack.features.encode import Encoder


@pytest.fixture(scope="module")
def daily_shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(spark, tmp_path_factory.mktemp("daily"), snapshot_every="day")


def stored(shop: Workspace, encoder: Encoder, users: np.ndarray, seconds: np.ndarray) -> UserBatch:
    """What a store that is loaded each midnight holds of these users at these times."""
    points = pa.table({c.USER_ID: users, c.EVENT_TIMESTAMP: at(seconds.tolist())})
    return encoder.users(historical(shop.settings, "user", points, shop.features.path), seconds, ids=users)


def assert_same(batch: UserBatch, other: UserBatch) -> None:
    for name in ("genres", "scalars", "recent", "recent_ratings", "seen_offsets", "seen", "seen_ratings", "ids"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_evaluation_gives_a_model_what_the_store_would_hold_at_the_target(daily_shop: Workspace, part: Part) -> None:
    cases = daily_shop.experiment.cases(part)
    assert cases.as_of is not None
    encoder = daily_shop.experiment.data(TRAINED_PARTS[part]).encoder
    assert_same(cases.given_users, stored(daily_shop, encoder, cases.user_ids, cases.as_of))
    # The row of the last second, which evaluation read before, knows more than the store.
    assert len(cases.users.seen) > len(cases.given_users.seen)


def test_training_rows_read_the_same_row(daily_shop: Workspace) -> None:
    data = daily_shop.experiment.data((TRAIN,))
    assert_same(data.users, stored(daily_shop, data.encoder, data.users.ids, data.timestamp))


def test_the_report_says_how_old_its_histories_are(daily_shop: Workspace, shop: Workspace) -> None:
    daily, live = (compare(each.experiment, ["popularity", "item_item"]) for each in (daily_shop, shop))
    assert (daily.staleness, live.staleness) == ("1d", "0s")
    assert (daily.task, live.task) == ("shop, global-time, histories 1d old", "shop, global-time")
    for report in (daily, live):
        assert list(report.by_staleness) == ["0s", "1h", "1d"]
        own = report.by_staleness[report.staleness].ndcg
        for name, interval in own.items():
            assert interval.mean == pytest.approx(report.models[name]["ndcg@10"].mean)
    # Both split the same ratings: only what the models were trained on differs.
    assert daily.by_staleness["1d"].without_history == pytest.approx(live.by_staleness["1d"].without_history)
    assert live.by_staleness["0s"].without_history <= live.by_staleness["1d"].without_history
