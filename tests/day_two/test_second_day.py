"""The log grows, is corrected and shrinks, features move, models stand still, and every answer is right."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from two_days import MONDAY, TUESDAY, TwoDays, bundle_of, load, open_at, rows

from recstack.feature_store.generations import drop_generations
from recstack.recommend import Engine
from recstack.settings import Settings

NOW = int(datetime(2024, 5, 3, tzinfo=UTC).timestamp())


def assert_right_answers(engine: Engine, rated: dict[int, set[int]]) -> None:
    """Every user who has rated something gets a personal answer without any of it."""
    for user, items in rated.items():
        (answer,) = engine.answer([engine.parse({"user_id": user, "k": 5})], NOW).answers
        offered = [item["item_id"] for item in answer.payload()["items"]]
        assert answer.policy == "personal", user
        assert len(offered) == 5
        assert not items & set(offered), user


def in_one_process(value: bool, name: str) -> Any:
    """A parameter whose tests all run in one of pytest's processes, which builds each log once."""
    return pytest.param(value, id=name, marks=pytest.mark.xdist_group(name))


@pytest.mark.parametrize(
    "timed", [in_one_process(True, "timed"), in_one_process(False, "untimed")], indirect=True, scope="session"
)
def test_after_the_second_day_every_row_is_that_of_a_fresh_load_and_every_answer_is_right(
    two_days: TwoDays, settings: Settings, tmp_path: Path
) -> None:
    first, second = two_days.first, two_days.second
    load(settings, first, MONDAY)
    day_one = rows(settings, two_days, first)
    bundle = bundle_of(settings, first, tmp_path / "bundle")
    serving = open_at(bundle, settings, first)
    assert_right_answers(serving, first.rated)

    load(settings, second, TUESDAY)
    load_again = settings.model_copy(update={"dataset": f"{settings.dataset}fresh"})
    load(load_again, second, TUESDAY)
    if two_days.new_generation:
        assert first.features.manifest["generation"] != second.features.manifest["generation"]
        assert rows(settings, two_days, first) == day_one, "the served model's rows are as they were"
        rated = first.rated  # until the rollout
    else:
        assert first.features.manifest["generation"] == second.features.manifest["generation"]
        assert rows(settings, two_days, second) == rows(load_again, two_days, second)
        rated = second.rated
    known = {user: items for user, items in rated.items() if items & set(bundle.encoder.item_ids.tolist())}
    assert_right_answers(serving, known)
    assert_right_answers(open_at(bundle, settings, second), known)

    # The rollout of a model of the second day.
    dropped = drop_generations(settings, [second.features.manifest["generation"]])
    assert dropped == ([first.features.manifest["generation"]] if two_days.new_generation else [])
    assert rows(settings, two_days, second) == rows(load_again, two_days, second)
