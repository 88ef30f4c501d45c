"""Builds an experiment from a dataset's source files, in a workspace apart from the one that is served."""

from pathlib import Path

from recstack.data.adapters.base import configure
from recstack.data.forgotten import forgotten_users
from recstack.data.ingest import ingest
from recstack.data.splits import PROTOCOLS, default_protocol
from recstack.data.summary import counted, facts_of
from recstack.data.targets import TARGETS, Target
from recstack.errors import choose
from recstack.experiments.config import ExperimentConfig
from recstack.feature_store.registry import apply
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.progress import say, working
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.training.experiment import Experiment


def prepare(settings: Settings, config: ExperimentConfig) -> Experiment:
    """Ingest and build features, or reuse what an earlier call has built; prints a line per step.

    Args:
        settings: the dataset and where local state lives.
        config: the data, the protocol and the target.

    Raises:
        UserError: unknown dataset, protocol or target, or bad data.
    """
    adapter = configure(settings.dataset, config.options)
    target: Target = choose("target", config.target, {name: name for name in TARGETS})
    if config.protocol is not None:
        choose("protocol", config.protocol, dict.fromkeys(PROTOCOLS))
    source = config.data or adapter.fetch(settings.downloads)
    adapter.require_files(source)
    traits = adapter.traits(source or Path())
    protocol = config.protocol or default_protocol(traits.has_timestamps)
    workspace = settings.model_copy(
        update={
            "recstack_home": settings.recstack_home / "evaluations" / protocol,
            "lake_uri": None,
            "feast_registry": "file",
            "feast_online": "sqlite",
        }
    )
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    forgotten = forgotten_users(settings.lake)  # the served lake's
    root = workspace.lake / "interactions"
    ingested = ingest(spark, adapter, source, root, keep_numbers=False, forgotten=forgotten)
    say(f"ingest: {counted(ingested)} in {ingested.path}")
    for line in facts_of(ingested):
        say(line)
    rows = ingested.manifest["interactions"]["rows"]
    options = FeatureOptions.of(traits, rows, protocol=protocol, split_at=config.split_at, choices=config.features)
    features = build_features(spark, ingested, workspace.lake / "features", options, keep_positions=False)
    with working("build_features: declaring them to Feast"):
        apply(workspace, features.path)
    every = f", snapshots by {options.snapshot_every}" if features.manifest["has_timestamps"] else ""
    say(f"build_features: split {protocol}{every}, tables in {features.path}")
    return Experiment(workspace, spark, ingested, features, target)
