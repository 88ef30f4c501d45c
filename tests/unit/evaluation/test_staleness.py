"""A model ranks with histories as a store has them that is loaded every second, every hour or every day."""

from dataclasses import replace

import numpy as np
import pytest
from histories import DAY, Log, random_log

from recstack.errors import UserError
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.protocols import build_evaluation_set
from recstack.evaluation.ranking import rank, user_ndcg
from recstack.evaluation.ratings import rating_errors
from recstack.evaluation.report.markdown import render_markdown
from recstack.evaluation.report.page import render_page
from recstack.evaluation.report.report import build_report
from recstack.evaluation.staleness import STALENESS, figures, named, with_staleness
from recstack.models.base import FitContext
from recstack.models.bias.model import Bias
from recstack.models.item_item.model import ItemItem
from recstack.models.popularity.model import Popularity

FIRST_TEST_DAY = 45


def within_days() -> Log:
    """Users act every twenty minutes from noon on, three times a day."""
    history = random_log()
    nth = np.arange(len(history.user)) - np.searchsorted(history.user, history.user)
    return replace(history, time=history.time + DAY // 2 + nth % 3 * 1_200)


HISTORY = within_days()
IN_TEST = HISTORY.time >= FIRST_TEST_DAY * DAY


@pytest.fixture(scope="module")
def fresh() -> EvaluationSet:
    table = HISTORY.table(np.where(IN_TEST, "test", "train"))
    return build_evaluation_set("global-time", table, HISTORY.live(), HISTORY.encoder())


@pytest.fixture(scope="module")
def by_age(fresh: EvaluationSet) -> dict[str, EvaluationSet]:
    return {name: with_staleness(fresh, name, HISTORY.live()) for name in STALENESS}


@pytest.fixture(scope="module")
def models() -> dict[str, Popularity | ItemItem]:
    data = HISTORY.rows(~IN_TEST).training(HISTORY.encoder())
    return {"popularity": Popularity.fit(data, FitContext()), "item_item": ItemItem.fit(data, FitContext())}


@pytest.mark.parametrize(("name", "period"), [("0s", 1), ("1h", 3_600), ("1d", DAY)])
def test_a_model_is_given_what_the_user_had_done_before_the_last_load(
    by_age: dict[str, EvaluationSet], name: str, period: int
) -> None:
    cases = by_age[name]
    assert cases.as_of is not None
    for row, (user, second) in enumerate(zip(cases.user_ids, cases.as_of, strict=True)):
        known = HISTORY.item[(HISTORY.user == user) & (HISTORY.time < second // period * period)]
        assert set(cases.given_users[row : row + 1].seen.tolist()) == set(known.tolist())


def test_ages_count_from_the_target_and_not_from_the_load(by_age: dict[str, EvaluationSet]) -> None:
    cases = by_age["1d"]
    assert cases.as_of is not None
    encoder, loaded = HISTORY.encoder(), cases.as_of // DAY * DAY
    rows = HISTORY.known().before(cases.user_ids, loaded).features(np.arange(len(cases)), HISTORY.genres)
    np.testing.assert_array_equal(cases.given_users.scalars, encoder.users(rows, cases.as_of).scalars)
    assert (cases.given_users.scalars != encoder.users(rows, loaded).scalars).any()


def test_targets_and_ranked_items_are_the_same_at_every_age(
    by_age: dict[str, EvaluationSet], models: dict[str, Popularity | ItemItem]
) -> None:
    ranks = [rank(models["popularity"], cases).ranks.tolist() for cases in by_age.values()]  # it reads no history
    assert ranks[0] == ranks[1] == ranks[2]
    personal = [rank(models["item_item"], cases).ranks.tolist() for cases in by_age.values()]
    assert personal[0] != personal[2]


def test_figures_at_zero_seconds_are_those_of_the_rankings_as_they_were(
    fresh: EvaluationSet, by_age: dict[str, EvaluationSet], models: dict[str, Popularity | ItemItem]
) -> None:
    assert by_age["0s"].given is None
    assert by_age["0s"].given_users is fresh.users
    for model in models.values():
        np.testing.assert_array_equal(user_ndcg(model, by_age["0s"]), user_ndcg(model, fresh))


def test_a_report_shows_every_model_at_every_age(
    by_age: dict[str, EvaluationSet], models: dict[str, Popularity | ItemItem]
) -> None:
    rankings = {name: [rank(model, by_age["0s"])] for name, model in models.items()}
    older = {
        age: figures(by_age[age], {name: [user_ndcg(model, by_age[age])] for name, model in models.items()})
        for age in ("1d", "1h")
    }
    report = build_report("tiny", by_age["0s"], rankings, {}, other_ages=older)
    assert list(report.by_staleness) == ["0s", "1h", "1d"]
    for name, metrics in report.models.items():
        assert report.by_staleness["0s"].ndcg[name].mean == pytest.approx(metrics["ndcg@10"].mean)
    shares = [at.without_history for at in report.by_staleness.values()]
    assert shares == sorted(shares)
    assert shares[0] < shares[2]
    table, page = render_markdown(report), render_page(report)
    for text in ("the target's second (0s)", "the last full hour (1h)", "the last midnight (1d), as deployed"):
        assert text in table
        assert text.replace("'", "&#39;") in page
    assert "histories of" not in render_markdown(build_report("tiny", by_age["0s"], rankings, {}))


def test_the_page_says_that_companions_of_the_same_second_compete_with_a_target(
    by_age: dict[str, EvaluationSet], models: dict[str, Popularity | ItemItem]
) -> None:
    rankings = {"popularity": [rank(models["popularity"], by_age["0s"])]}
    assert "in the same second compete with it" in render_page(build_report("tiny", by_age["0s"], rankings, {}))


def test_global_time_compares_all_ages_by_default_and_protocols_without_time_refuse_them() -> None:
    assert named(None, "global-time") == ["0s", "1h", "1d"]
    assert named(None, "leave-last-out") == named(None, "stratified") == []
    assert named(["1d", "0s"], "leave-last-out") == ["0s", "1d"]
    with pytest.raises(UserError, match="no staleness '2h'; choose one of 0s, 1h, 1d"):
        named(["2h"], "global-time")
    with pytest.raises(UserError, match="stratified ignores time"):
        named(["1d"], "stratified")


def test_ratings_are_predicted_from_the_same_histories_as_rankings(by_age: dict[str, EvaluationSet]) -> None:
    ratings = replace(HISTORY, rating=1.0 + np.arange(len(HISTORY.item)) % 5)
    model = Bias.fit(ratings.rows(~IN_TEST).training(ratings.encoder()), FitContext())
    old = by_age["1d"]
    errors = rating_errors(model, old)
    np.testing.assert_array_equal(errors, rating_errors(model, replace(old, users=old.given_users, given=None)))
    assert (errors != rating_errors(model, by_age["0s"])).any()
