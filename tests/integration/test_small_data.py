"""`recstack evaluate` on unusual data works, or fails with one line that says why."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recstack.errors import DataError
from recstack.evaluation.report.report import Report
from recstack.experiments.config import ExperimentConfig
from recstack.experiments.evaluate import evaluate_dataset
from recstack.settings import Settings

PAIRS = '[interactions]\nfile = "log.csv"\nuser = "u"\nitem = "i"\n'
TIMED = f'{PAIRS}time = "t"\ntime_format = "seconds"\n'


def evaluate(
    spark: SparkSession, folder: Path, mapping: str, rows: list[str], ranks: Path | None = None, **options: str
) -> Report:
    (folder / "mapping.toml").write_text(mapping)
    (folder / "log.csv").write_text("\n".join(["u,i,t", *rows]) + "\n")
    settings = Settings(recstack_home=folder / "home", dataset="csv")
    return evaluate_dataset(settings, ExperimentConfig(folder, **options), ["popularity"], 1, ranks=ranks)


def test_a_small_log_with_words_for_ids_and_no_ratings_or_catalogue_is_evaluated(
    spark: SparkSession, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    rows = [
        f"user {user},item {item},{10**9 + random.integers(10**6)}"
        for user in range(30)
        for item in random.choice(20, 6, replace=False)
    ]
    file = tmp_path / "report.ranks.parquet"
    mapping = 'text_ids = ["user", "item"]\n' + TIMED
    report = evaluate(spark, tmp_path, mapping, rows, ranks=file, target="positive")
    assert report.task == "csv, global-time, positives rated 1 or more"
    assert report.n_users > 10
    assert 0 < report.models["popularity"]["ndcg@10"].mean < 1

    # The rank of every target, by the words of the log: the report's figure can be computed from it.
    ranks = pq.read_table(file).to_pandas()
    assert len(ranks) == report.n_targets
    assert set(ranks["model"]) == {"popularity"}
    log = {tuple(row.split(",")) for row in rows}
    assert {(r.user_id, r.item_id, str(r.timestamp)) for r in ranks.itertuples()} <= log
    gain = np.where(ranks["rank"] <= 10, 1 / np.log2(1 + ranks["rank"].astype(float)), 0.0)
    by_user = ranks.assign(gain=gain).groupby("user_id")["gain"].mean()
    assert by_user.mean() == pytest.approx(report.models["popularity"]["ndcg@10"].mean)


@pytest.mark.parametrize(
    ("mapping", "rows", "protocol", "message"),
    [
        (TIMED, ["1,1,1000000000"], None, "too few different timestamps .* another protocol, such as stratified"),
        (PAIRS, ["1,1,"], None, "stratified: the test part is empty, so there is nothing to evaluate; use more data"),
        (
            PAIRS,
            ["1,1,", "1,2,"],
            "held-out-users",
            "the split leaves nothing in train .*, so there is nothing to learn",
        ),
        (PAIRS, ["1,1,"], "leave-last-out", "leave-last-out needs a timestamp in every row"),
    ],
    ids=["one timestamp", "one row", "one user", "no time"],
)
def test_data_that_can_not_be_evaluated_fail_with_one_line_that_says_why(
    spark: SparkSession, tmp_path: Path, mapping: str, rows: list[str], protocol: str | None, message: str
) -> None:
    options = {} if protocol is None else {"protocol": protocol}
    with pytest.raises(DataError, match=message) as error:
        evaluate(spark, tmp_path, mapping, rows, **options)
    assert "\n" not in str(error.value)
