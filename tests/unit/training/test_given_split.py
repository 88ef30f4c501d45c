"""The test rows and negatives of the NCF authors' files are the targets and candidates of the evaluation."""

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from recstack.data.adapters.ncf_files import NCFFiles
from recstack.data.ingest import ingest
from recstack.data.splits import LEAVE_LAST_OUT_99
from recstack.data.traits import Traits
from recstack.feature_store.registry import apply
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.settings import Settings
from recstack.training.experiment import Experiment


def test_targets_and_candidates_are_those_of_the_files(
    spark: SparkSession, source: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = source("ncf_files")
    settings = Settings(recstack_home=tmp_path, dataset="ncf_files", lake_uri=None, feast_registry="file")
    ingested = ingest(spark, NCFFiles(), folder, settings.lake / "interactions")
    options = FeatureOptions.of(Traits.of(ingested), 1_000, protocol=LEAVE_LAST_OUT_99)
    features = build_features(spark, ingested, settings.lake / "features", options)
    apply(settings, features.path)
    experiment = Experiment(settings, spark, ingested, features)

    test = dict(tuple(map(int, line.split()[:2])) for line in (folder / "ml-1m.test.rating").read_text().splitlines())
    cases = experiment.cases("test")
    ids = experiment.data(("train", "validation")).encoder.item_ids
    assert cases.candidates is not None
    assert dict(zip(cases.user_ids.tolist(), ids[cases.relevant].tolist(), strict=True)) == test
    for user, row in zip(cases.user_ids, cases.candidates, strict=True):
        assert set(ids[row[row >= 0]].tolist()) == {test[user], *range(20, 29)}

    drawn = experiment.cases("validation").candidates  # the files have no negatives for validation
    assert drawn is not None
    assert not set(ids[drawn[drawn >= 0]].tolist()) & set(range(20, 29))
