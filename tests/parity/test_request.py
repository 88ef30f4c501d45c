"""The features of an anonymous user equal those that the batch job computes from the same history."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession
from workspace import CLOSING, DAY, Workspace, at

from recstack import columns as c
from recstack.data.contract import INTERACTIONS
from recstack.features import spec, user
from recstack.features.request_time import History, user_rows

NOW = CLOSING + 5 * DAY
HISTORIES = [
    History([3, 17, 60], [5.0, 0.5, 3.5]),
    History([], []),
    History([9], [4.0]),
    History(list(range(1, 61)), [0.5 + (i % 10) / 2 for i in range(60)]),
]


def by_spark(spark: SparkSession, shop: Workspace, timed: bool) -> pa.Table:
    """The same histories as interactions: all at one second, as in a request, or without time."""
    rows = [
        (user, item, float(rating), None)
        for user, history in enumerate(HISTORIES)
        for item, rating in zip(history.item_ids, history.ratings, strict=True)
    ]
    times = at([NOW] * len(rows)) if timed else pa.nulls(len(rows), pa.timestamp("us", tz="UTC"))
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    table = pa.table([*columns[:3], times], names=INTERACTIONS.names)
    table = table.set_column(2, c.RATING, table[c.RATING].cast(pa.float32()))
    computed = user.snapshots(spark.createDataFrame(table), shop.genres, "interaction").frame().toArrow()
    row = pc.index_in(pa.array(range(len(HISTORIES))), computed[c.USER_ID].combine_chunks())
    return computed.take(row)  # one without history has no row, so it gets nulls


@pytest.mark.parametrize("timed", [True, False], ids=["with time", "without time"])
def test_request_time_features_equal_the_spark_features_of_the_same_history(
    spark: SparkSession, shop: Workspace, timed: bool
) -> None:
    # The job orders equal timestamps by item, and data without time by rating; a request keeps its own order.
    histories = [
        History(
            *zip(*sorted(zip(h.item_ids, h.ratings, strict=True), key=lambda r: r if timed else r[::-1]), strict=True)
        )
        if h.item_ids
        else h
        for h in HISTORIES
    ]
    requested = user_rows(histories, shop.genres, NOW if timed else None)
    computed = by_spark(spark, shop, timed)
    assert requested.schema == spec.schema("user")
    for name in spec.names("user"):
        assert requested[name].to_pylist() == computed[name].to_pylist(), name


def test_the_item_named_last_is_the_most_recent(shop: Workspace) -> None:
    rows = user_rows([History([60, 3, 17], [5.0, 0.5, 3.5])], shop.genres, NOW)
    assert rows[c.RECENT_ITEMS].to_pylist() == [[17, 3, 60]]
    np.testing.assert_array_equal(rows[c.RECENT_RATINGS].to_pylist(), [[3.5, 0.5, 5.0]])


def test_no_histories_give_no_rows(shop: Workspace) -> None:
    assert len(user_rows([], shop.genres, NOW)) == 0
