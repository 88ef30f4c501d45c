"""The point-in-time join: features from Feast's offline store, for training."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from recstack.feature_store.config import repo_config
from recstack.feature_store.generations import FeatureStoreError, view_name
from recstack.feature_store.registry import declared_generation
from recstack.features import spec
from recstack.progress import working
from recstack.settings import Settings


def historical(settings: Settings, owner: spec.Owner, entities: pa.Table, tables: Path) -> pa.Table:
    """Join each row with the newest features at or before its timestamp.

    Args:
        settings: say which store.
        owner: "user" or "item".
        entities: N rows of (user_id or item_id, event_timestamp).
        tables: folder of the feature tables; the registry must declare these.

    Returns:
        The N rows in their order with the columns of `spec.schema(owner)`; null where there is no earlier feature row.

    Raises:
        FeatureStoreError: the registry declares other tables, or the offline store lost or repeated rows.
    """
    store = FeatureStore(config=repo_config(settings))
    schema = spec.schema(owner)
    view = view_name(owner, declared_generation(store, tables).name)
    features = [f"{view}:{name}" for name in schema.names]
    if not len(entities):
        return pa.schema([*entities.schema, *schema]).empty_table()
    positions = np.arange(len(entities))
    frame = entities.append_column("row", pa.array(positions)).to_pandas()
    with working(f"join: {len(frame):,} {owner} rows with their features"):
        joined = store.get_historical_features(entity_df=frame, features=features).to_arrow()
    if not np.array_equal(joined["row"], positions):  # Feast's own stores keep no order
        joined = joined.sort_by("row")
    if not np.array_equal(joined["row"], positions):
        raise FeatureStoreError(
            f"the offline store returned {len(joined)} rows for {len(entities)} {owner} entity rows; "
            "use feast_offline=duckdb or spark (Feast's `file` store drops rows)"
        )
    return pa.table(
        [*entities.columns, *(joined[name].cast(schema.field(name).type) for name in schema.names)],
        schema=pa.schema([*entities.schema, *schema]),
    )
