"""Models compared on data of somebody's own, in a workspace apart from the one that is served."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from recstack.errors import choose
from recstack.evaluation.protocols import PROTOCOLS
from recstack.evaluation.report import Report
from recstack.features.build import FeatureOptions, build_features
from recstack.features.training_users import TrainingFilter
from recstack.interactions.base import configure
from recstack.interactions.ingest import ingest
from recstack.models import models
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.splits import default_protocol
from recstack.store import apply
from recstack.training.compare import compare
from recstack.training.experiment import Experiment, Label


def evaluate_dataset(
    settings: Settings,
    data: Path | None,
    options: Mapping[str, Any],
    protocol: str | None,
    names: Sequence[str],
    seeds: int,
    say: Callable[[str], None] = print,
    champion: str | None = None,
    label: str = "implicit",
    split_at: date | None = None,
) -> Report:
    """Ingest, build features for the protocol, fit and rank.

    Args:
        settings: the dataset and where local state lives.
        data: folder of its files; None downloads them where that is allowed.
        options: fields of the adapter.
        protocol: None takes the default for the dataset.
        names: models, or ["all"].
        seeds: fits of each model.
        say: told what is going on, a line a step.
        champion: the model that the others are compared with; None takes the best.
        label: which interactions are positives, see `Label`.
        split_at: first day of the test part of global-time; None takes a quantile of time.

    Raises:
        UserError: unknown dataset, model, protocol or label, or bad data.
    """
    adapter = configure(settings.dataset, options)
    chosen = list(models()) if list(names) == ["all"] else list(dict.fromkeys(names))
    for name in chosen:
        choose("model", name, models())
    if champion is not None:
        choose("compared model", champion, dict.fromkeys(chosen))
    positives: Label = choose("label", label, {name: name for name in get_args(Label)})
    if protocol is not None:
        choose("protocol", protocol, dict.fromkeys(PROTOCOLS))
    source = data or adapter.fetch(settings.downloads)
    adapter.require_files(source)
    traits = adapter.traits(source or Path())
    protocol = protocol or default_protocol(traits.has_timestamps)
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
        split_at=split_at,
        training_filter=TrainingFilter.of(traits),
    )
    features = build_features(spark, ingested, apart.lake / "features", choices)
    apply(apart)
    say(f"build_features: split {protocol}, tables in {features.path}; models are fitted next")
    experiment = Experiment(apart, spark, ingested, features, positives)
    return compare(experiment, chosen, seeds=seeds, champion=champion, say=say).report
