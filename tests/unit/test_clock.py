"""Ages at serving count from the request, but from no later than a day after what is known has ended."""

import numpy as np
import pyarrow as pa
import tiny_catalogue as tiny
from scipy import sparse

from recstack import columns as c
from recstack.data.timestamps import DAY
from recstack.features.arrays import Floats, Mask
from recstack.features.batches import UserBatch
from recstack.features.spec import USER_SCALARS
from recstack.models.item_item.model import ItemItem
from recstack.recommend import Engine

YEARS_LATER = tiny.NOW + 25 * 365 * DAY
LAST = tiny.NOW - 1
"""The last interaction of the users in the store."""


class Watched(ItemItem):
    """Keeps the recency of the first user of each batch."""

    recency: float

    @classmethod
    def without_neighbours(cls) -> "Watched":
        count = len(tiny.IDS)
        return cls(sparse.csr_array((count, count), dtype=np.float32), np.arange(count, dtype=np.float32))

    def score(self, users: UserBatch, allowed: Mask) -> Floats:
        self.recency = float(users.scalars[0, USER_SCALARS.index(c.LAST_INTERACTION)])
        return super().score(users, allowed)


def recency(body: dict[str, object], request: int, log_end: int | None) -> float:
    """The standardised recency that the model gets."""
    model = Watched.without_neighbours()
    engine = Engine(model, tiny.catalogue(), tiny.users, tiny.SCALE, "7", timed=True, log_end=lambda: log_end)
    engine.answer([engine.parse(body)], request)
    return model.recency


def test_a_user_of_an_old_log_is_as_recent_as_they_were_when_it_ended() -> None:
    at_its_end = recency({"user_id": 1}, tiny.NOW + DAY, tiny.NOW)
    assert recency({"user_id": 1}, YEARS_LATER, tiny.NOW) == at_its_end
    assert recency({"user_id": 1}, YEARS_LATER, None) == 3.0  # the clip that hides all differences
    assert at_its_end < 1.0


def test_with_a_live_log_ages_count_from_the_request() -> None:
    hours = [recency({"user_id": 1}, tiny.NOW + hour * 3600, tiny.NOW) for hour in (0, 1, 23)]
    expected = [np.log1p((hour * 3600 + 1) / DAY) for hour in (0, 1, 23)]
    np.testing.assert_allclose(np.diff(hours), np.diff(expected), atol=1e-6)


def test_a_user_who_acted_after_the_known_end_of_the_log_counts_from_their_last_interaction() -> None:
    before = LAST - 30 * DAY
    in_time = recency({"user_id": 1}, LAST + DAY, before)
    assert recency({"user_id": 1}, YEARS_LATER, before) == in_time


def test_an_anonymous_user_has_acted_just_now_whenever_they_ask() -> None:
    body: dict[str, object] = {"liked": [21, 22]}
    assert recency(body, YEARS_LATER, tiny.NOW) == recency(body, tiny.NOW, tiny.NOW)


def test_a_user_gets_the_same_answer_alone_and_beside_users_who_acted_later() -> None:
    def read_users(user_ids: list[int]) -> pa.Table:
        rows = tiny.users(user_ids)
        last = [LAST + 400 * DAY if user == 2 else LAST for user in user_ids]
        index = rows.schema.get_field_index(c.LAST_INTERACTION)
        return rows.set_column(index, c.LAST_INTERACTION, pa.array(last, pa.int64()))

    model = Watched.without_neighbours()
    engine = Engine(model, tiny.catalogue(), read_users, tiny.SCALE, "7", timed=True, log_end=lambda: tiny.NOW)
    one, two = (engine.parse({"user_id": user}) for user in (1, 2))
    engine.answer([one], YEARS_LATER)
    alone = model.recency
    engine.answer([one, two], YEARS_LATER)
    assert model.recency == alone
