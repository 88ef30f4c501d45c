"""Who follows a path through the catalogue is predicted well only as long as nobody shuffles when things happened."""

import numpy as np
from histories import DAY, Log, log

from recstack.evaluation.evaluation_set import user_means
from recstack.evaluation.metrics import Doubles
from recstack.evaluation.protocols import evaluation_set
from recstack.evaluation.ranking import rank
from recstack.models import models

N_ITEMS, N_USERS, LENGTH, TEST_DAY = 60, 80, 12, 50


def paths() -> Log:
    """Each user goes through the catalogue in order from some item on, one item a day."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        start, day = random.integers(0, N_ITEMS), random.integers(0, 60)
        rows += [(user, int((start + step) % N_ITEMS), int(day + step)) for step in range(LENGTH)]
    return log(rows, N_ITEMS)


def shuffled(history: Log) -> Log:
    """The same interactions, and the same moments dealt out anew among all of them."""
    time = np.random.default_rng(1).permutation(history.time)
    order = np.lexsort((history.item, time, history.user))
    return Log(history.user[order], history.item[order], history.rating[order], time[order], history.n_items)


def ndcg(history: Log, model: str, **options: object) -> Doubles:
    """NDCG@10 of each test user in global-time."""
    known = history.time < TEST_DAY * DAY
    encoder = history.encoder()
    fitted = models()[model].fit(history.rows(known).training(encoder), options=options)
    cases = evaluation_set("global-time", history.table(np.where(known, "train", "test")), history.live(), encoder)
    return user_means(rank(fitted, cases).values["ndcg@10"], cases.user_ids)


if __name__ == "__main__":
    import time

    for model in ("item_item", "genre_ncf", "popularity"):
        for history in (paths(), shuffled(paths())):
            t = time.time()
            v = ndcg(history, model)
            print(model, len(v), v.mean(), time.time() - t)
