"""The point-in-time join: features out of Feast's offline store, for training."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from recstack.feature_store.config import repo_config
from recstack.feature_store.registry import VIEWS, FeatureStoreError, service_features
from recstack.features import spec
from recstack.settings import Settings


def historical(settings: Settings, owner: spec.Owner, entities: pa.Table, tables: Path) -> pa.Table:
    """Point-in-time join: for each row the newest features at or before its moment.

    Args:
        settings: which store.
        owner: "user" or "item".
        entities: N rows of (user_id or item_id, event_timestamp).
        tables: folder of the feature tables that must be the declared ones.

    Returns:
        The N rows in their order with the columns of `spec.schema(owner)`; nulls where nothing was known yet.

    Raises:
        FeatureStoreError: other tables are declared, or the offline store lost or multiplied rows.
    """
    store = FeatureStore(config=repo_config(settings))
    features = [f"{VIEWS[owner]}:{name}" for name in service_features(store, owner, tables)]
    schema = spec.schema(owner)
    if not len(entities):
        return pa.schema([*entities.schema, *schema]).empty_table()
    places = np.arange(len(entities))
    frame = entities.append_column("row", pa.array(places)).to_pandas()
    joined = store.get_historical_features(entity_df=frame, features=features).to_arrow()
    if not np.array_equal(joined["row"], places):  # Spark keeps no order
        joined = joined.sort_by("row")
    if not np.array_equal(joined["row"], places):
        raise FeatureStoreError(
            f"the offline store returned {len(joined)} rows for {len(entities)} {owner} entity rows; "
            "use feast_offline=duckdb or spark (Feast's `file` store drops rows)"
        )
    return pa.table(
        [*entities.columns, *(joined[name].cast(schema.field(name).type) for name in schema.names)],
        schema=pa.schema([*entities.schema, *schema]),
    )
