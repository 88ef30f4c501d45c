"""From a dataset's source files to an experiment, in a workspace apart from the one that is served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, get_args

from recstack.data.adapters.base import configure
from recstack.data.ingest import ingest
from recstack.data.splits import default_protocol
from recstack.errors import choose
from recstack.evaluation.protocols import PROTOCOLS
from recstack.feature_store.registry import apply
from recstack.features.build import FeatureOptions, build_features
from recstack.features.training_users import TrainingFilter
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.training.experiment import Experiment, Label


@dataclass(frozen=True)
class Question:
    """What is to be learned from which data, and how it is judged."""

    data: Path | None = None
    """Folder of the source files; None downloads them where that is allowed."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the adapter."""
    protocol: str | None = None
    """None takes the default for the dataset."""
    label: str = "implicit"
    """Which interactions are positives, see `Label`."""
    split_at: date | None = None
    """First day of the test part of global-time; None takes a quantile of time."""


def prepare(settings: Settings, question: Question, say: Callable[[str], None] = print) -> Experiment:
    """Ingest and build features; what stands already is not built again.

    Args:
        settings: the dataset and where local state lives.
        question: the data and the protocol.
        say: told what is going on, a line a step.

    Raises:
        UserError: unknown dataset, protocol or label, or bad data.
    """
    adapter = configure(settings.dataset, question.options)
    label: Label = choose("label", question.label, {name: name for name in get_args(Label)})
    if question.protocol is not None:
        choose("protocol", question.protocol, dict.fromkeys(PROTOCOLS))
    source = question.data or adapter.fetch(settings.downloads)
    adapter.require_files(source)
    traits = adapter.traits(source or Path())
    protocol = question.protocol or default_protocol(traits.has_timestamps)
    apart = settings.model_copy(
        update={
            "recstack_home": settings.recstack_home / "evaluations" / protocol,
            "lake_uri": None,
            "feast_registry": "file",
            "feast_online": "sqlite",
        }
    )
    spark = open_session(settings.spark_master, settings.spark_driver_memory)
    ingested = ingest(spark, adapter, source, apart.lake / "interactions", keep_numbers=False)
    counts = ingested.manifest
    say(
        f"ingest: {counts['interactions']['rows']:,} interactions, {counts['items']['rows']:,} items in {ingested.path}"
    )
    choices = FeatureOptions(
        protocol=protocol,
        has_timestamps=traits.has_timestamps,
        split_at=question.split_at,
        training_filter=TrainingFilter.of(traits),
    )
    features = build_features(spark, ingested, apart.lake / "features", choices)
    apply(apart, features.path)
    say(f"build_features: split {protocol}, tables in {features.path}; models are fitted next")
    return Experiment(apart, spark, ingested, features, label)
