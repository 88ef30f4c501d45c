"""Builds an experiment from a dataset's source files, in a workspace apart from the one that is served."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from recstack.data.adapters.base import configure
from recstack.data.forgotten import forgotten_users
from recstack.data.ingest import ingest
from recstack.data.splits import PROTOCOLS, default_protocol
from recstack.data.targets import TARGETS, Target
from recstack.errors import choose
from recstack.feature_store.registry import apply
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.progress import say, working
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.training.experiment import Experiment


@dataclass(frozen=True)
class ExperimentConfig:
    """The data of an experiment, how they are split, and which interactions are targets."""

    data: Path | None = None
    """Folder of the source files; None downloads them where that is allowed."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the dataset: fields of its adapter."""
    protocol: str | None = None
    """None takes the dataset's default."""
    target: str = "implicit"
    """Which interactions are targets, see `Target`."""
    split_at: date | None = None
    """First day of the test part of global-time; None takes a quantile of time."""


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
    counts = ingested.manifest
    say(
        f"ingest: {counts['interactions']['rows']:,} interactions, {counts['items']['rows']:,} items in {ingested.path}"
    )
    choices = FeatureOptions.of(traits, protocol=protocol, split_at=config.split_at)
    features = build_features(spark, ingested, workspace.lake / "features", choices)
    with working("build_features: declaring them to Feast"):
        apply(workspace, features.path)
    say(f"build_features: split {protocol}, tables in {features.path}")
    return Experiment(workspace, spark, ingested, features, target)
