import numpy as np
import pyarrow as pa
import pytest
from histories import DAY, Log, log, random_log, rankings

from recstack import columns as c
from recstack.errors import DataError
from recstack.evaluation import protocols
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.negatives import N_NEGATIVES
from recstack.evaluation.protocols import MAX_TARGETS, PROTOCOLS, build_evaluation_set
from recstack.evaluation.ranking import rank
from recstack.features.arrays import Ints
from recstack.features.batches import Users
from recstack.models.base import FitContext
from recstack.models.popularity.model import Popularity

# User 1 is known, user 2 comes new in the test part, item 5 occurs in test alone, item 4 in validation and test.
ROWS = [(1, 0, 0), (1, 1, 1), (3, 0, 1), (3, 4, 8), (1, 2, 10), (1, 4, 11), (1, 5, 11), (2, 0, 10), (2, 1, 12)]


def split_by_day(history: Log, validation: int, test: int) -> np.ndarray:
    day = history.time // DAY
    return np.where(day >= test, "test", np.where(day >= validation, "validation", "train"))


def seen(cases: EvaluationSet) -> list[list[int]]:
    pairs = zip(cases.users.seen_offsets[:-1], cases.users.seen_offsets[1:], strict=True)
    return [sorted(cases.users.seen[a:b].tolist()) for a, b in pairs]


def relevant(cases: EvaluationSet) -> list[list[int]]:
    pairs = zip(cases.relevant_offsets[:-1], cases.relevant_offsets[1:], strict=True)
    return [cases.relevant[a:b].tolist() for a, b in pairs]


def leave_last_out(history: Log) -> np.ndarray:
    split = np.full(len(history.user), "train", dtype=object)
    last = np.append(np.flatnonzero(np.diff(history.user)), len(history.user) - 1)
    split[last] = "test"
    split[last - 1] = "validation"
    return split


class TestGlobalTime:
    history = log(ROWS, n_items=6)
    split = split_by_day(history, 8, 10)

    def test_every_interaction_of_the_part_is_the_target_of_its_own_ranking(self) -> None:
        cases = rankings("global-time", self.history, self.split)
        assert cases.user_ids.tolist() == cases.users.ids.tolist() == [1, 1, 1, 2, 2]
        assert cases.relevant_offsets.tolist() == [0, 1, 2, 3, 4, 5]

    def test_history_is_live_and_ends_strictly_before_the_target(self) -> None:
        cases = rankings("global-time", self.history, self.split)
        # Items 4 and 5 of user 1 have the same timestamp: neither is history of the other.
        assert seen(cases) == [[0, 1], [0, 1, 2], [0, 1, 2], [], [0]]

    def test_an_item_that_is_chosen_again_is_no_target_and_is_counted(self) -> None:
        again = [(1, 0, 10), (1, 3, 10), (1, 3, 12), (2, 1, 12), (2, 1, 13)]
        history = log([(1, 0, 0), (1, 1, 1), (3, 3, 1), *again], n_items=6)
        cases = rankings("global-time", history, split_by_day(history, 8, 10))
        assert cases.user_ids.tolist() == [1, 2]
        assert relevant(cases) == [[3], [1]]
        assert seen(cases) == [[0, 1], []]
        assert cases.n_repeated == 3
        model = Popularity.fit(history.training(history.encoder()), FitContext())
        assert np.isfinite(rank(model, cases).values["ndcg@10"]).all()

    def test_targets_that_are_not_in_training_are_misses(self) -> None:
        cases = rankings("global-time", self.history, self.split)
        # Item 2 and 5 occur in test alone, item 4 in validation, which the final model is trained on.
        assert relevant(cases) == [[-1], [4], [-1], [0], [1]]
        assert cases.unhittable_share == 0.4
        assert cases.n_targets == 5

    def test_the_validation_part_is_evaluated_with_history_from_the_train_part_only(self) -> None:
        cases = rankings("global-time", self.history, split_by_day(self.history, 1, 10), part="validation")
        assert cases.user_ids.tolist() == [1, 3, 3]
        assert relevant(cases) == [[-1], [0], [-1]]
        assert cases.item_counts.tolist() == [1, 0, 0, 0, 0, 0]

    def test_users_without_history_as_of_the_target_are_the_cold_slice(self) -> None:
        cases = rankings("global-time", self.history, self.split)
        assert cases.slices["cold"].tolist() == [False, False, False, True, False]
        assert (cases.slices["warm"] == ~cases.slices["cold"]).all()

    def test_the_order_of_the_interactions_does_not_matter(self) -> None:
        history = random_log()
        split = split_by_day(history, 40, 45)
        encoder, table = history.encoder(), history.table(split)
        shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
        one = build_evaluation_set("global-time", table, history.live(), encoder)
        other = build_evaluation_set("global-time", shuffled, history.live(), encoder)
        assert one.user_ids.tolist() == other.user_ids.tolist()
        assert one.relevant.tolist() == other.relevant.tolist()
        assert one.users.seen.tolist() == other.users.seen.tolist()

    def test_a_user_contributes_at_most_50_targets_drawn_by_the_seed(self) -> None:
        rows = [(1, item, item) for item in range(120)] + [(2, item, 0) for item in range(120)]
        history = log(rows, n_items=120)
        split = split_by_day(history, 5, 10)
        table, encoder = history.table(split), history.encoder()
        draws = [
            build_evaluation_set("global-time", table, history.live(), encoder, seed=s).relevant for s in (0, 0, 1)
        ]
        assert [len(draw) for draw in draws] == [MAX_TARGETS] * 3
        assert draws[0].tolist() == draws[1].tolist() != draws[2].tolist()
        assert len(set(draws[0].tolist())) == MAX_TARGETS

    @pytest.mark.parametrize("most", [7, 60])
    def test_of_too_many_targets_fewer_of_each_user_and_of_too_many_users_some_are_drawn_by_the_seed(
        self, monkeypatch: pytest.MonkeyPatch, most: int
    ) -> None:
        monkeypatch.setattr(protocols, "MAX_RANKINGS", most)
        history = random_log()
        table, encoder = history.table(split_by_day(history, 40, 45)), history.encoder()
        one, again, other = (
            build_evaluation_set("global-time", table, history.live(), encoder, seed=seed) for seed in (0, 0, 1)
        )
        in_part = np.unique(history.user[history.time >= 45 * DAY], return_counts=True)[1]
        assert 7 < len(in_part) < 60 < in_part.sum()
        assert one.n_users == min(most, len(in_part))
        assert (one.n_part_users, one.n_part_targets) == (len(in_part), in_part.sum())
        assert one.relevant.tolist() == again.relevant.tolist() != other.relevant.tolist()
        of_each = np.unique(one.user_ids, return_counts=True)[1]
        assert len(one) <= most
        assert set(of_each.tolist()) <= set(range(of_each.max() + 1))
        assert (of_each == np.minimum(in_part, of_each.max())).all() if most == 60 else of_each.max() == 1


class TestLeaveLastOut:
    def test_a_user_whose_last_item_is_a_repetition_has_no_target(self) -> None:
        rows = [(1, 0, 0), (1, 1, 1), (1, 1, 2), (1, 0, 3), (2, 0, 0), (2, 1, 1), (2, 1, 2), (2, 2, 3), (3, 2, 0)]
        history = log(rows, n_items=4)
        split = ["train", "train", "validation", "test"] * 2 + ["train"]
        cases = rankings("leave-last-out", history, np.array(split))
        assert cases.user_ids.tolist() == [2]
        assert (relevant(cases), seen(cases)) == ([[2]], [[0, 1]])
        assert cases.n_repeated == 1

    def test_a_part_of_nothing_but_repetitions_is_an_error_that_says_so(self) -> None:
        history = log([(1, 0, 0), (1, 1, 1), (1, 0, 2)], n_items=4)
        with pytest.raises(DataError, match="all 1 interactions in the test part are with items .* chosen before"):
            rankings("leave-last-out", history, leave_last_out(history))

    def test_each_user_has_one_ranking_with_the_last_item_as_target(self) -> None:
        history = log([(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 2, 0), (2, 1, 1), (2, 0, 2)], n_items=4)
        cases = rankings("leave-last-out", history, leave_last_out(history))
        assert cases.user_ids.tolist() == [1, 2]
        assert relevant(cases) == [[2], [0]]
        assert seen(cases) == [[0, 1], [1, 2]]

    def test_training_items_with_the_timestamp_of_the_target_are_not_ranked(self) -> None:
        history = log([(1, 0, 0), (1, 1, 7), (1, 2, 7), (2, 2, 0), (2, 0, 1), (2, 1, 2)], n_items=3)
        cases = rankings("leave-last-out", history, leave_last_out(history))
        assert seen(cases)[0] == [0, 1]

    def test_the_later_test_item_is_not_in_the_history_of_the_validation_item(self) -> None:
        history = log([(1, 0, 0), (1, 1, 7), (1, 2, 7), (2, 1, 0), (2, 0, 1), (2, 2, 2)], n_items=3)
        cases = rankings("leave-last-out", history, leave_last_out(history), part="validation")
        assert seen(cases) == [[0], [1]]


class TestSampledNegatives:
    history = random_log(n_users=30, n_items=400, seed=2)
    split = leave_last_out(history)

    def test_candidates_are_the_target_and_items_that_the_user_never_chose(self) -> None:
        cases = rankings("leave-last-out-99", self.history, self.split)
        assert cases.candidates is not None
        for user, target, row in zip(cases.user_ids, cases.relevant, cases.candidates, strict=True):
            negatives = set(row[row >= 0].tolist()) - {target}
            assert target < 0 or target in row
            assert not negatives & set(self.history.item[self.history.user == user].tolist())
            assert (cases.item_counts[list(negatives)] > 0).all()
            assert len(negatives) == min(N_NEGATIVES, len(negatives))
            assert (np.diff(row) >= 0).all()

    def test_the_sample_depends_on_the_seed_alone(self) -> None:
        draws = [rankings("leave-last-out-99", self.history, self.split, seed=s).candidates for s in (0, 0, 1)]
        assert np.array_equal(draws[0], draws[1])
        assert not np.array_equal(draws[0], draws[2])

    def test_a_user_who_chose_almost_everything_gets_fewer_negatives(self) -> None:
        rows = [(1, item, item) for item in range(8)] + [(2, item, item) for item in range(10)]
        history = log(rows, n_items=10)
        cases = rankings("leave-last-out-99", history, leave_last_out(history))
        assert cases.candidates is not None
        assert sorted(set(cases.candidates[0].tolist())) == [-1, 7, 8]  # item 9 is in no training part


class TestGivenNegatives:
    history = log([(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 2, 0), (2, 1, 1), (2, 0, 2)], n_items=6)
    split = leave_last_out(history)

    def ranked(self, rows: list[tuple[int, int]]) -> EvaluationSet:
        users, items = zip(*rows, strict=True)
        table = pa.table({c.USER_ID: users, c.ITEM_ID: items})
        return rankings("leave-last-out-99", self.history, self.split, negatives=table)

    def test_the_target_is_ranked_among_the_given_negatives_unchanged(self) -> None:
        cases = self.ranked([(2, 5), (1, 4), (1, 3), (2, 5), (9, 3)])  # item 4 is not in training, user 9 has no target
        assert cases.candidates is not None
        assert cases.relevant.tolist() == [2, 0]
        assert cases.candidates.tolist() == [[2, 3, 4], [-1, 0, 5]]

    @pytest.mark.parametrize(
        ("rows", "why"),
        [
            ([(1, 4)], "user 2 has a target and no negatives"),
            ([(1, 4), (2, 0)], "the target of user 2 is among the negatives"),
            ([(1, 4), (2, 99)], "1 negatives are not in the catalogue, such as item 99"),
        ],
    )
    def test_negatives_that_do_not_fit_are_refused(self, rows: list[tuple[int, int]], why: str) -> None:
        with pytest.raises(DataError, match=why):
            self.ranked(rows)

    def test_a_protocol_that_ranks_the_whole_catalogue_refuses_negatives(self) -> None:
        with pytest.raises(ValueError, match="leave-last-out-99 does"):
            rankings("leave-last-out", self.history, self.split, negatives=pa.table({c.USER_ID: [1], c.ITEM_ID: [4]}))


class TestStratified:
    history = log([(1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0), (2, 2, 0), (2, 1, 0), (2, 0, 0)], n_items=4)
    split = np.array(["train", "test", "test", "test", "validation", "train", "train"])

    def test_all_test_items_of_a_user_are_relevant_in_one_ranking(self) -> None:
        cases = rankings("stratified", self.history, self.split)
        assert cases.user_ids.tolist() == [1]
        # The log is sorted by item within a day: user 2's item 0 is "validation", items 1 and 2 are "train".
        assert relevant(cases) == [[1, 2, -1]]

    def test_history_is_the_training_part(self) -> None:
        cases = rankings("stratified", self.history, self.split)
        assert seen(cases) == [[0]]
        assert cases.users.recent[0, :2].tolist() == [0, -1]

    def test_features_are_requested_without_a_time(self) -> None:
        requested = []
        known = self.history.rows(self.split != "test").live(timed=False)

        def note(user_ids: Ints, seconds: Ints | None, as_of: Ints) -> Users:
            requested.append((user_ids.tolist(), seconds))
            return known(user_ids, seconds, as_of)

        build_evaluation_set("stratified", self.history.table(self.split, timed=False), note, self.history.encoder())
        assert requested == [([1], None)]


class TestHeldOutUsers:
    history = log([(1, 0, 0), (1, 1, 0), (2, 1, 0), (2, 2, 0), (3, 0, 0), (3, 1, 0), (3, 3, 0), (4, 2, 0)], n_items=4)
    split = np.array(["train", "train", "validation", "validation", "fold-in", "test", "test", "fold-in"])

    def test_all_targets_of_a_user_are_relevant_in_one_ranking(self) -> None:
        cases = rankings("held-out-users", self.history, self.split)
        assert cases.user_ids.tolist() == [3]  # user 4 has history but no target
        assert relevant(cases) == [[1, -1]]  # item 3 is not in training

    def test_history_is_the_fold_in_part_which_no_model_is_trained_on(self) -> None:
        cases = rankings("held-out-users", self.history, self.split)
        assert seen(cases) == [[0]]
        assert cases.users.recent[0, :2].tolist() == [0, -1]
        assert cases.item_counts.tolist() == [1, 2, 1, 0]
        assert cases.n_training_users == 2
        assert cases.slices["cold"].tolist() == [False]


def test_an_unknown_protocol_is_refused_with_the_known_ones() -> None:
    history = log(ROWS, n_items=6)
    with pytest.raises(ValueError, match=", ".join(PROTOCOLS)):
        rankings("random", history, split_by_day(history, 8, 10))


@pytest.mark.parametrize("protocol", ["global-time", "leave-last-out", "leave-last-out-99"])
def test_protocols_by_time_refuse_data_without_timestamps(protocol: str) -> None:
    history = log(ROWS, n_items=6)
    table = history.table(split_by_day(history, 8, 10), timed=False)
    with pytest.raises(ValueError, match="without time: held-out-users, stratified"):
        build_evaluation_set(protocol, table, history.live(), history.encoder())


def test_a_part_whose_targets_are_all_not_in_training_is_refused() -> None:
    history = log([(1, 0, 0), (1, 1, 5)], n_items=2)
    with pytest.raises(ValueError, match="nothing to evaluate"):
        rankings("global-time", history, split_by_day(history, 3, 5))


def test_an_empty_part_is_refused() -> None:
    history = log(ROWS, n_items=6)
    with pytest.raises(ValueError, match="the test part is empty, so there is nothing to evaluate"):
        rankings("global-time", history, np.full(len(history.user), "train"))


def test_features_that_lose_rows_are_refused() -> None:
    history = log(ROWS, n_items=6)
    live = history.live()
    with pytest.raises(ValueError, match="4 users were given for 5"):
        build_evaluation_set(
            "global-time",
            history.table(split_by_day(history, 8, 10)),
            lambda *points: live(*points)[1:],
            history.encoder(),
        )


def test_in_leave_last_out_the_features_know_all_that_training_has_of_the_user() -> None:
    # Item 2 is the target; item 1 has its second, and is in training.
    history = log([(1, 0, 0), (1, 1, 3), (1, 2, 3), (2, 0, 0), (2, 2, 1), (3, 2, 0)], n_items=3)
    cases = rankings("leave-last-out", history, ["train", "train", "test", "train", "test", "train"])
    assert seen(cases) == [[0, 1], [0]]
    assert cases.users[:1].recent[0, :3].tolist() == [1, 0, -1]
    assert cases.users[:1].genres[0].astype(bool).tolist() == [True, True, False]
