from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bytes, Float32, Float64, String

STOCK, OURS = "duckdb", "recstack.feature_store.feast_duckdb.AsofOfflineStore"
N_USERS, N_ITEMS, N_ROWS = 30, 20, 3_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
SPAN = 400
"""Seconds in which everything happens: so few that most rows share their timestamp with others."""

Ask = Callable[..., RetrievalJob]


def at(seconds: np.ndarray) -> pa.Array:
    return pa.array((START + seconds) * 1_000_000, pa.timestamp("us", tz="UTC"))


def write(table: pa.Table, folder: Path) -> None:
    """Several files of several row groups, as Spark leaves them."""
    folder.mkdir()
    for number in range(3):
        third = table.take(pa.array(range(number, len(table), 3)))
        pq.write_table(third, folder / f"part-{number}.parquet", row_group_size=100)


def user_rows(draw: np.random.Generator) -> pa.Table:
    """Several rows share user and timestamp, each with its own creation time; some values are null."""
    null = draw.random(N_ROWS) < 0.1
    return pa.table(
        {
            "user_id": draw.integers(0, N_USERS, N_ROWS),
            "known_at": at(draw.integers(0, SPAN, N_ROWS)),
            "written_at": at(draw.permutation(N_ROWS)),
            "raw_score": pa.array(draw.random(N_ROWS), mask=null),
            "vector": [None if gone else draw.random(3).astype(np.float32) for gone in null],
            "word": pa.array(
                np.char.add("w", draw.integers(0, 99, N_ROWS).astype(str)), mask=draw.random(N_ROWS) < 0.1
            ),
            "seen": [draw.bytes(4) for _ in range(N_ROWS)],
            "unused": draw.random(N_ROWS),
        },
        schema=pa.schema(
            {
                "user_id": pa.int64(),
                "known_at": pa.timestamp("us", tz="UTC"),
                "written_at": pa.timestamp("us", tz="UTC"),
                "raw_score": pa.float64(),
                "vector": pa.list_(pa.float32()),
                "word": pa.string(),
                "seen": pa.binary(),
                "unused": pa.float64(),
            }
        ),
    )


def item_rows(draw: np.random.Generator) -> pa.Table:
    """One row an item and timestamp; the timestamps have no time zone."""
    cells = draw.permutation(N_ITEMS * SPAN)[:N_ROWS]
    times = at(cells % SPAN).cast(pa.timestamp("us"))
    return pa.table({"item_id": cells // SPAN, "known_at": times, "price": draw.random(N_ROWS).astype(np.float32)})


def entity_rows(draw: np.random.Generator) -> pd.DataFrame:
    """Timestamps before, between and after those of the features; unknown users and items; two columns to pass on."""
    count = 2_000
    return pd.DataFrame(
        {
            "target": draw.random(count),
            "item_id": draw.integers(0, N_ITEMS + 5, count),
            "bought_id": draw.integers(0, N_ITEMS + 5, count),
            "user_id": draw.integers(0, N_USERS + 5, count),
            "event_timestamp": pd.to_datetime(START + draw.integers(-50, SPAN + 150, count), unit="s", utc=True),
            "row": np.arange(count),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    draw = np.random.default_rng(5)
    write(user_rows(draw), folder / "user")
    write(item_rows(draw), folder / "item")
    return folder


@pytest.fixture
def entities() -> pd.DataFrame:
    return entity_rows(np.random.default_rng(6))


def asker(folder: Path, offline: str, ttl: timedelta, home: Path) -> Ask:
    """A feature store with that offline store, two views, one of them used twice, and one on-demand feature."""
    config = RepoConfig(
        project="shop",
        provider="local",
        registry=str(home / f"{offline}.db"),
        offline_store={"type": offline},
        online_store={"type": "sqlite", "path": str(home / "online.db")},
        entity_key_serialization_version=3,
    )
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
    users = FeatureView(
        name="users",
        entities=[user],
        ttl=ttl,
        schema=[
            Field(name="score", dtype=Float64),
            Field(name="vector", dtype=Array(Float32)),
            Field(name="word", dtype=String),
            Field(name="seen", dtype=Bytes),
        ],
        source=FileSource(
            name="user_rows",
            path=f"{folder}/user/*.parquet",
            timestamp_field="known_at",
            created_timestamp_column="written_at",
            field_mapping={"raw_score": "score"},
        ),
    )
    items = FeatureView(
        name="items",
        entities=[item],
        ttl=timedelta(0),
        schema=[Field(name="price", dtype=Float32)],
        source=FileSource(name="item_rows", path=f"{folder}/item/*.parquet", timestamp_field="known_at"),
    )

    @on_demand_feature_view(sources=[users], schema=[Field(name="double", dtype=Float64)], mode="pandas")
    def doubled(rows: pd.DataFrame) -> pd.DataFrame:
        score = "score" if "score" in rows else "users__score"
        return pd.DataFrame({"double": 2 * rows[score]})

    viewed = items.with_name("viewed")
    bought = items.with_name("bought").with_join_key_map({"item_id": "bought_id"})
    everything = FeatureService(name="everything", features=[users, viewed, bought, doubled])
    store = FeatureStore(config=config)
    store.apply([user, item, users, items, doubled, everything])
    service = store.get_feature_service("everything")
    return lambda entities, features=service, **options: store.get_historical_features(
        entities.copy() if isinstance(entities, pd.DataFrame) else entities, features, **options
    )


@pytest.fixture
def both(folder: Path, tmp_path: Path) -> tuple[Ask, Ask]:
    stock, ours = (asker(folder, kind, timedelta(seconds=20), tmp_path) for kind in (STOCK, OURS))
    return stock, ours


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=7), timedelta(days=1)])
def test_the_rows_equal_those_of_feasts_own_store_to_the_bit_and_keep_their_order(
    folder: Path, entities: pd.DataFrame, tmp_path: Path, ttl: timedelta
) -> None:
    stock, ours = (
        asker(folder, kind, ttl, tmp_path)(entities, full_feature_names=True).to_arrow() for kind in (STOCK, OURS)
    )
    assert ours["row"].to_pylist() == list(range(len(entities)))
    assert ours.equals(stock.sort_by("row"))
    for name in ("users__vector", "viewed__price", "bought__price"):
        assert 0 < ours[name].null_count < len(ours)
    assert ours["viewed__price"] != ours["bought__price"]


@pytest.mark.parametrize("names", [("price", "word", "score"), ("price", "score")])
def test_short_names_and_a_choice_of_features_are_as_feast_gives_them(
    both: tuple[Ask, Ask], entities: pd.DataFrame, names: tuple[str, ...]
) -> None:
    views = {"price": "items", "word": "users", "score": "users"}
    stock, ours = (ask(entities, [f"{views[name]}:{name}" for name in names]).to_arrow() for ask in both)
    assert ours.column_names == [*entities.columns, *names]
    assert ours.equals(stock.sort_by("row"))


def test_a_job_has_the_metadata_of_feasts_own(both: tuple[Ask, Ask], entities: pd.DataFrame) -> None:
    stock, ours = (ask(entities, full_feature_names=True) for ask in both)
    assert ours.full_feature_names == stock.full_feature_names
    assert [view.name for view in ours.on_demand_feature_views] == ["doubled"]
    assert ours.metadata.features == stock.metadata.features
    assert set(ours.metadata.keys) == set(stock.metadata.keys)
    assert ours.metadata.min_event_timestamp == stock.metadata.min_event_timestamp
    assert ours.metadata.max_event_timestamp == stock.metadata.max_event_timestamp


def test_the_row_created_last_counts_and_a_feature_may_be_exactly_as_old_as_its_ttl(tmp_path: Path) -> None:
    rows = user_rows(np.random.default_rng(1)).slice(0, 3)
    rows = rows.set_column(0, "user_id", pa.array([1, 1, 1]))
    rows = rows.set_column(1, "known_at", at(np.array([10, 10, 10])))
    rows = rows.set_column(2, "written_at", at(np.array([30, 31, 29])))
    rows = rows.set_column(3, "raw_score", pa.array([1.0, 2.0, 3.0]))
    write(rows, tmp_path / "user")
    ask = asker(tmp_path, OURS, timedelta(seconds=5), tmp_path)
    times = pd.to_datetime([START + second for second in (9, 10, 15, 16)], unit="s", utc=True)
    frame = pd.DataFrame({"user_id": 1, "event_timestamp": times})
    assert ask(frame, ["users:score"]).to_arrow()["score"].to_pylist() == [None, 2.0, 2.0, None]


def test_a_row_without_a_key_gets_nulls(both: tuple[Ask, Ask], entities: pd.DataFrame) -> None:
    entities["user_id"] = entities["user_id"].astype("Int64").mask(entities["row"] % 3 == 0)
    stock, ours = (ask(entities, ["users:score"]).to_arrow() for ask in both)
    assert ours["score"].to_pylist()[::3] == [None] * len(range(0, len(entities), 3))
    assert ours.equals(stock.sort_by("row"))


def test_the_filter_by_creation_time_is_feasts_own(both: tuple[Ask, Ask], entities: pd.DataFrame) -> None:
    options = {"filter_by_created_timestamp": True, "full_feature_names": True}
    stock, ours = (ask(entities, **options).to_arrow().sort_by("row") for ask in both)
    assert ours.equals(stock)
    assert (
        ours["users__score"].null_count
        > both[1](entities, full_feature_names=True).to_arrow()["users__score"].null_count
    )


def test_entities_as_sql_are_refused_as_feasts_own_store_refuses_them(both: tuple[Ask, Ask]) -> None:
    for ask in both:
        with pytest.raises(AttributeError, match="'str' object has no attribute 'columns'"):  # Feast's message
            ask("select 1", ["users:score"])
