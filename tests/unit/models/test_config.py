import pytest
from pydantic import ValidationError

from recstack.errors import UserError
from recstack.models.config import ModelConfig, options_by_model
from recstack.models.learning.schedule import Schedule


class Config(ModelConfig):
    """Some options."""

    width: int = 8
    rate: float = 0.5
    layers: tuple[int, ...] = (4, 2)


def test_options_replace_defaults() -> None:
    assert Config.read({"width": 16, "rate": 1}, "toy") == Config(width=16, rate=1.0, layers=(4, 2))


def test_a_list_from_json_stands_for_a_tuple() -> None:
    assert Config.read({"layers": [3]}, "toy").layers == (3,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 16}, "toy has no option 'widht'; its options are: width, rate, layers"),
        ({"width": "32"}, "option width of toy can't be '32': Input should be a valid integer"),
        ({"width": 1.5}, "option width of toy can't be 1.5"),
        ({"width": True}, "option width of toy can't be True"),
        ({"rate": None}, "option rate of toy can't be None"),
        ({"layers": ["4"]}, "option layers of toy can't be '4'"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Config.read(options, "toy")


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(UserError, match="option width of toy.*; toy has no option 'depth'"):
        Config.read({"width": "32", "depth": 1}, "toy")


def test_a_model_without_options_says_so() -> None:
    with pytest.raises(UserError, match="toy has no option 'width'; its options are: none"):
        ModelConfig.read({"width": 1}, "toy")


def test_options_of_models_are_json_or_else_text_and_the_last_one_counts() -> None:
    texts = ["a.rate=1e-3", "a.layers=[3, 2]", "b.kind=deep=yes", "b.kind=wide", "b.patience=null"]
    assert options_by_model(texts, ["a", "b"]) == {
        "a": {"rate": 1e-3, "layers": [3, 2]},
        "b": {"kind": "wide", "patience": None},
    }
    assert options_by_model([], ["a"]) == {}


@pytest.mark.parametrize("text", ["a.rate", "rate=1", "a=1", "=1", ""])
def test_an_option_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="MODEL.NAME=VALUE"):
        options_by_model([text], ["a"])


def test_options_do_not_change_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().width = 3  # type: ignore[misc]


def test_a_schedule_is_strict_too() -> None:
    with pytest.raises(UserError, match="option epochs of toy can't be 2.5"):
        Schedule.read({"epochs": 2.5}, "toy")
