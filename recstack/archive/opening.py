"""Opens a bundle: loads the model and the catalogue and connects to the online store, as any server does at start.

The start is strict about the model and lenient about the store: a server that starts while Redis is down still serves.
Whether known users get personal answers is asked by the rollout (`release/known_users.py`), before the switch.
"""

import logging

import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.archive.bundle import Bundle, Facts
from recstack.archive.warm_up import check_model
from recstack.feature_store.config import online_config
from recstack.feature_store.online import OnlineStore
from recstack.recommend import Catalogue, Engine
from recstack.settings import Settings

READ_BUDGET = 0.2
"""Seconds that Redis may take to connect or to answer before popular items are served instead."""

BLOCK = 1000
"""Items of one read at start, because SQLite limits the variables of a statement."""

log = logging.getLogger(__name__)


def open_engine(bundle: Bundle, settings: Settings, now: int) -> Engine:
    """Load the model, read item features once, open the store, and warm up.

    Args:
        bundle: checked.
        settings: where the online store is; the dataset is taken from the bundle.
        now: epoch second, for the first requests.

    Raises:
        BundleError: the model is not installed, or does not pass the warm-up.
        FeatureStoreError: the Feast registry lacks the generation of feature rows that the model reads.
    """
    facts = bundle.manifest.facts
    store = connect(facts, settings)
    items = _items(bundle, store)
    catalogue = Catalogue.build(bundle.encoder, bundle.catalogue, items)
    model = bundle.model(catalogue.features)

    def log_end() -> int | None:
        """Of the log that was loaded last, which is at least that of the model."""
        known = [end for end in (facts.log_end, store.generation.log_end) if end is not None]
        return max(known, default=None)

    engine = Engine(model, catalogue, store.users, facts.scale, facts.model_version, facts.timed, log_end)
    check_model(engine, model, catalogue, facts, now, settings.warm_up_budget)
    engine.answer(
        [engine.parse({"user_id": user}) for user in facts.probe_users or (0,)], now
    )  # the first read is slow
    return engine


def connect(facts: Facts, settings: Settings) -> OnlineStore:
    """The online store with the features that a model reads.

    Raises:
        FeatureStoreError: the Feast registry lacks the generation of feature rows that the model reads.
    """
    limited = {"dataset": facts.dataset, "feast_online": within_budget(settings.feast_online)}
    return OnlineStore(online_config(settings.model_copy(update=limited)), facts.generation)


def within_budget(online: str) -> str:
    """The connection string with time limits; without them redis-py tries for ten seconds to reach a dead server."""
    if online == "sqlite":
        return online
    limits = {"socket_timeout": READ_BUDGET, "socket_connect_timeout": READ_BUDGET, "retry": "null"}
    return ",".join([online, *[f"{name}={value}" for name, value in limits.items() if f",{name}=" not in online]])


def _items(bundle: Bundle, store: OnlineStore) -> pa.Table:
    """Item features from the online store; from the bundle for items that it lacks, or if it cannot be read."""
    wanted = bundle.items.column_names
    try:
        ids = bundle.encoder.item_ids.tolist()
        blocks = [store.items(ids[start : start + BLOCK]) for start in range(0, len(ids), BLOCK)]
        stored = pa.concat_tables(blocks).select(wanted).cast(bundle.items.schema).combine_chunks()
    except Exception:  # a server that starts while Redis is down still serves
        log.exception("item features could not be read from the online store; those of the archive are used")
        return bundle.items
    stored = stored.filter(pc.is_valid(stored[c.EVENT_TIMESTAMP]))
    missing = bundle.items.filter(pc.invert(pc.is_in(bundle.items[c.ITEM_ID], value_set=stored[c.ITEM_ID])))
    if len(missing):
        log.warning("the online store lacks %d items; their features are taken from the archive", len(missing))
    return pa.concat_tables([stored, missing])
