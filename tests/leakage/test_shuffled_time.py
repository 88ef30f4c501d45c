"""Users who follow a path through the catalogue are predicted well, and much worse once time is shuffled."""

import numpy as np
from histories import DAY, Log, log

from recstack.evaluation.bootstrap import intervals
from recstack.evaluation.evaluation_set import user_means
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.features.arrays import Doubles
from recstack.models.base import FitContext
from recstack.models.genre_ncf.model import GenreNCF

N_ITEMS, N_USERS, LENGTH, TEST_DAY = 40, 200, 12, 50
QUICK = {"dimension": 32, "hidden": 64, "recent": 2, "epochs": 12, "batch_size": 64, "learning_rate": 1e-2}
NO_DROPOUT = {"dropout": 0.0, "history_dropout": 0.0, "id_dropout": 0.0}


def paths() -> Log:
    """Each user goes through the catalogue in order, one item a day, from a random item on."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        start, day = random.integers(0, N_ITEMS), random.integers(0, 60)
        rows += [(user, int((start + step) % N_ITEMS), int(day + step)) for step in range(LENGTH)]
    return log(rows, N_ITEMS)


def shuffled(history: Log) -> Log:
    """The same interactions, with their timestamps shuffled among all of them."""
    time = np.random.default_rng(1).permutation(history.time)
    order = np.lexsort((history.item, time, history.user))
    return Log(history.user[order], history.item[order], history.rating[order], time[order], history.n_items)


def ndcg(history: Log) -> Doubles:
    """NDCG@10 of each test user by `global-time`, for a model that reads the last two items."""
    known = history.time < TEST_DAY * DAY
    encoder = history.encoder()
    model = GenreNCF.fit(history.rows(known).training(encoder), FitContext(options={**QUICK, **NO_DROPOUT}))
    cases = build_evaluation_set(
        "global-time", history.table(np.where(known, "train", "test")), history.live(), encoder
    )
    return user_means(rank(model, cases).values["ndcg@10"], cases.user_ids)


def test_shuffling_time_lowers_the_score_of_a_model_that_learns_from_order() -> None:
    honest, without_order = (intervals(ndcg(history)[:, None])[0] for history in (paths(), shuffled(paths())))
    assert honest.low > 0.9
    assert without_order.high < honest.low - 0.15
