"""A feature has one value wherever it is read: Parquet, the point-in-time join, SQLite, Redis, and as a tensor.

Fixture `online` runs each test on recstack's own store classes and on Feast's.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from workspace import CLOSING, DAY, MADE_UP, PLANTED_USER, Workspace, at, seconds_of

from recstack import columns as c
from recstack.feature_store.config import repo_config
from recstack.feature_store.offline import historical
from recstack.feature_store.online import OnlineStore
from recstack.feature_store.registry import applied_tables
from recstack.features import spec
from recstack.features.arrays import Ints
from recstack.features.batches import ItemBatch, UserBatch
from recstack.features.encode import Encoder
from recstack.settings import Settings

KEYS: dict[spec.Owner, str] = {"user": c.USER_ID, "item": c.ITEM_ID}
UNKNOWN = [0, 404_404]
FEATURES = [(owner, feature.name) for owner, group in spec.FEATURES.items() for feature in group]


def newest(shop: Workspace, owner: spec.Owner) -> pa.Table:
    """The last row of every entity in the Parquet table, ascending."""
    table = shop.table(owner)
    key = KEYS[owner]
    order = table.sort_by([(key, "ascending"), (c.EVENT_TIMESTAMP, "ascending")])
    ids = order[key].to_numpy()
    last = np.append(ids[1:] != ids[:-1], True)
    return order.filter(pa.array(last)).select([key, c.EVENT_TIMESTAMP, *spec.names(owner)])


def read(online: OnlineStore, owner: spec.Owner, ids: list[int]) -> pa.Table:
    return online.users(ids) if owner == "user" else online.items(ids)


def joined(settings: Settings, owner: spec.Owner, ids: list[int], second: int = CLOSING) -> pa.Table:
    entities = pa.table({KEYS[owner]: pa.array(ids, pa.int64()), c.EVENT_TIMESTAMP: at([second] * len(ids))})
    return historical(settings, owner, entities, applied_tables(settings))


def bits(column: pa.ChunkedArray) -> Any:
    """Values that are equal only if every bit is."""
    if pa.types.is_float32(column.type):
        return [value if value is None else np.float32(value).tobytes() for value in column.to_pylist()]
    if column.type == pa.list_(pa.float32()):
        return [v if v is None else np.array(v, dtype=np.float32).tobytes() for v in column.to_pylist()]
    return column.to_pylist()


@pytest.fixture(scope="module")
def tables(shop: Workspace, online_settings: Settings, online: OnlineStore) -> dict[spec.Owner, dict[str, pa.Table]]:
    found: dict[spec.Owner, dict[str, pa.Table]] = {}
    for owner in spec.FEATURES:
        offline = newest(shop, owner)
        ids = offline[KEYS[owner]].to_pylist()
        history = joined(online_settings, owner, ids)
        found[owner] = {"offline": offline, "historical": history, "online": read(online, owner, ids)}
    return found


@pytest.mark.parametrize(("owner", "feature"), FEATURES, ids=[name for _, name in FEATURES])
def test_a_feature_is_the_same_offline_in_the_join_and_online(
    tables: dict[spec.Owner, dict[str, pa.Table]], owner: spec.Owner, feature: str
) -> None:
    right = bits(tables[owner]["offline"][feature])
    assert bits(tables[owner]["historical"][feature]) == right
    assert bits(tables[owner]["online"][feature]) == right
    assert len(set(map(repr, right))) > 1  # a constant would always be equal


def test_every_entity_is_online_with_the_time_up_to_which_the_load_knew_the_log(
    tables: dict[spec.Owner, dict[str, pa.Table]],
) -> None:
    assert PLANTED_USER in tables["user"]["online"][c.USER_ID].to_pylist()
    assert len(tables["item"]["online"]) == MADE_UP.n_items
    for of_owner in tables.values():
        assert len(of_owner["online"]) == len(of_owner["offline"])
        assert set(seconds_of(of_owner["online"][c.EVENT_TIMESTAMP])) == {CLOSING}


def test_serving_reads_popularities_of_windows_that_end_with_the_log_as_those_of_training_end_with_their_dates(
    shop: Workspace, tables: dict[spec.Owner, dict[str, pa.Table]]
) -> None:
    counts = (c.POPULARITY_7D, c.POPULARITY_30D, c.POPULARITY_ALL)
    log = shop.table("interactions")
    items, seconds = log[c.ITEM_ID].to_numpy(), np.array(seconds_of(log[c.TIMESTAMP]))

    def counted(item: int, date: int) -> tuple[int, ...]:
        before = seconds[(items == item) & (seconds < date)]
        return tuple(int((before >= date - days * DAY).sum()) for days in (7, 30, 100_000))

    table = shop.table("item").to_pylist()
    for row in table:
        assert tuple(row[name] for name in counts) == counted(row[c.ITEM_ID], int(row[c.EVENT_TIMESTAMP].timestamp()))
    midnight = (int(seconds.max()) // DAY + 1) * DAY
    served = tables["item"]["online"].to_pylist()
    assert [tuple(row[name] for name in counts) for row in served] == [
        counted(row[c.ITEM_ID], midnight) for row in served
    ]
    assert sum(row[c.POPULARITY_7D] for row in served) == (seconds >= midnight - 7 * DAY).sum() > 0


@pytest.fixture(scope="module")
def encoder(shop: Workspace, tables: dict[spec.Owner, dict[str, pa.Table]]) -> Encoder:
    users = tables["user"]["offline"]
    return Encoder.fit(users, request_times(users), tables["item"]["offline"], shop.words)


def request_times(rows: pa.Table) -> Ints:
    return np.full(len(rows), CLOSING, dtype=np.int64)


def assert_same_tensors(one: UserBatch | ItemBatch, other: UserBatch | ItemBatch) -> None:
    for name in one.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_tensors_are_the_same_from_all_sources(tables: dict[spec.Owner, dict[str, pa.Table]], encoder: Encoder) -> None:
    users = {name: encoder.users(rows, request_times(rows)) for name, rows in tables["user"].items()}
    items = {name: encoder.items(rows) for name, rows in tables["item"].items()}
    for batches in (users, items):
        assert_same_tensors(batches["offline"], batches["historical"])
        assert_same_tensors(batches["offline"], batches["online"])


def test_unknown_entities_are_rows_of_nulls_and_become_the_encoders_defaults(
    online_settings: Settings, online: OnlineStore, encoder: Encoder
) -> None:
    for owner in spec.FEATURES:
        ids = [UNKNOWN[0], 1, UNKNOWN[1]]
        for rows in (read(online, owner, ids), joined(online_settings, owner, ids)):
            assert rows[KEYS[owner]].to_pylist() == ids
            for name in spec.names(owner):
                assert rows[name].to_pylist()[::2] == [None, None], name
            assert rows[spec.names(owner)[0]].to_pylist()[1] is not None

    unknown = encoder.users(online.users(UNKNOWN), np.full(2, CLOSING))
    assert not unknown.genres.any()
    assert not unknown.scalars.any()
    assert (unknown.recent == -1).all()
    assert not unknown.recent_ratings.any()
    assert unknown.seen_offsets.tolist() == [0, 0, 0]
    items = encoder.items(online.items(UNKNOWN))
    assert not any(getattr(items, name).any() for name in items.__dataclass_fields__)


def test_the_order_of_columns_and_of_items_does_not_matter(
    tables: dict[spec.Owner, dict[str, pa.Table]], encoder: Encoder
) -> None:
    random = np.random.default_rng(0)
    users, items = tables["user"]["online"], tables["item"]["online"]
    mixed = users.select(list(random.permutation(users.schema.names)))
    assert_same_tensors(encoder.users(users, request_times(users)), encoder.users(mixed, request_times(users)))
    mixed = items.select(list(random.permutation(items.schema.names))).take(random.permutation(len(items)))
    assert_same_tensors(encoder.items(items), encoder.items(mixed))


def test_rows_come_in_the_order_of_the_ids_also_for_repeated_ids_and_for_none(online: OnlineStore) -> None:
    ids = [5, 2, 404_404, 5, PLANTED_USER]
    rows = online.users(ids)
    assert rows[c.USER_ID].to_pylist() == ids
    one_by_one = pa.concat_tables([online.users([number]) for number in ids])
    assert rows.to_pylist() == one_by_one.to_pylist()
    assert online.users([]).schema == rows.schema
    assert len(online.users([])) == 0


def test_the_join_keeps_every_row_whose_entity_is_unknown_or_has_only_future_features(
    shop: Workspace, online_settings: Settings
) -> None:
    opening = pc.min(shop.table("interactions")[c.TIMESTAMP]).as_py()
    early = int(opening.timestamp()) - 1
    users = [3, 404_404, 1, PLANTED_USER]
    rows = joined(online_settings, "user", users, early)
    assert rows[c.USER_ID].to_pylist() == users
    assert rows[c.RATING_COUNT].to_pylist() == [None] * 4
    mixed = pa.table({c.USER_ID: users * 2, c.EVENT_TIMESTAMP: at([early] * 4 + [CLOSING] * 4)})
    counts = historical(online_settings, "user", mixed, shop.features.path)[c.RATING_COUNT].to_pylist()
    assert counts[:4] == [None] * 4
    assert [count is None for count in counts[4:]] == [False, True, False, False]


def test_feasts_own_store_reads_the_rows_that_recstack_wrote(
    online_settings: Settings, tables: dict[spec.Owner, dict[str, pa.Table]]
) -> None:
    stock = OnlineStore(repo_config(online_settings.model_copy(update={"feast_stock": True})))
    for owner, found in tables.items():
        ids = found["online"][KEYS[owner]].to_pylist()
        assert read(stock, owner, ids).equals(found["online"])
