"""Prints what a deployment holds as JSON; a drill compares it before and after a fault.

Runs in the worker: infra/compose.sh exec -T worker python - <infra/inventory.py
"""

import asyncio
import hashlib
import json

import mlflow
import pyarrow.parquet as pq
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

from recstack import columns as c
from recstack.feature_store.config import online_config
from recstack.feature_store.online import OnlineStore
from recstack.release.rollout import last_rolled_out
from recstack.settings import Settings
from recstack.storage.folders import ObjectStore
from recstack.storage.lake import current

settings = Settings()


def features() -> str:
    """Digest of every feature of every user and item in the online store."""
    store = OnlineStore(online_config(settings))
    tables = current(settings.lake / "features").path
    total = hashlib.sha256()
    for name, key, read in (("user", c.USER_ID, store.users), ("item", c.ITEM_ID, store.items)):
        ids = pq.read_table(tables / name, columns=[key])[key].unique().sort().to_pylist()
        for start in range(0, len(ids), 1000):
            rows = read(ids[start : start + 1000]).drop_columns([c.EVENT_TIMESTAMP])  # the time of the load
            total.update(json.dumps(rows.to_pylist(), default=str).encode())
    return total.hexdigest()[:16]


async def flow_runs() -> int:
    """Runs of flows that Prefect knows."""
    async with get_client() as client:
        return int(await client.count_flow_runs(flow_run_filter=FlowRunFilter()))


mlflow.set_tracking_uri(settings.tracking_uri)
client = mlflow.MlflowClient()
model = f"recstack-{settings.dataset}"
store = ObjectStore(settings.object_store, settings.object_store_endpoint)
served = last_rolled_out(settings.model_store)
print(
    json.dumps(
        {
            "features": features(),
            "served": served.name if served else None,
            "champion": client.get_model_version_by_alias(model, "champion").version,
            "mlflow_runs": len(client.search_runs([e.experiment_id for e in client.search_experiments()])),
            "flow_runs": asyncio.run(flow_runs()),
            "lake": {
                output: store.current(f"{settings.dataset}/{output}")
                for output in ("interactions", "features", "models", "reports")
            },
        }
    )
)
