"""Two models on a small log. ranx runs without compiling: that would take a minute, for the same figures."""

import numba
import numpy as np
import pytest
from histories import random_log

from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import Ranking, rank
from recstack.evaluation.report.report import Report, build_report
from recstack.models.base import FitContext
from recstack.models.item_item.model import ItemItem
from recstack.models.popularity.model import Popularity

numba.config.DISABLE_JIT = True

HISTORY = random_log()
IN_TEST = HISTORY.time >= 45 * 86_400
CURVE = [{"loss": 1.0}, {"loss": 0.5, "validation_ndcg@10": 0.1}]


@pytest.fixture(scope="package")
def cases() -> EvaluationSet:
    encoder = HISTORY.encoder()
    genres = encoder.items(HISTORY.items()).genres
    table = HISTORY.table(np.where(IN_TEST, "test", "train"))
    return build_evaluation_set("global-time", table, HISTORY.live(), encoder, item_genres=genres)


@pytest.fixture(scope="package")
def rankings(cases: EvaluationSet) -> dict[str, list[Ranking]]:
    data = HISTORY.rows(~IN_TEST).training(HISTORY.encoder())
    runs = [ItemItem.fit(data, FitContext(options={"shrinkage": shrinkage})) for shrinkage in (1.0, 50.0)]
    return {
        "popularity": [rank(Popularity.fit(data, FitContext()), cases)],
        "item_item": [rank(run, cases) for run in runs],
    }


@pytest.fixture(scope="package")
def made(cases: EvaluationSet, rankings: dict[str, list[Ranking]]) -> Report:
    return build_report("tiny", cases, rankings, {"popularity": 0.5, "item_item": 2.0}, curves={"item_item": CURVE})
