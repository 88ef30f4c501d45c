from dataclasses import replace

import pytest

from recstack.features import spec
from recstack.features.scalars import FORMULAS


def test_no_name_is_used_twice() -> None:
    everything = spec.names("user") + spec.names("item")
    assert len(set(everything)) == len(everything)


def test_the_schema_lists_the_features_in_the_order_of_their_definition() -> None:
    assert spec.schema("user").names == [feature.name for feature in spec.FEATURES["user"]]
    assert spec.schema("item").types == [feature.type for feature in spec.FEATURES["item"]]


@pytest.mark.parametrize("change", ["name", "type", "scaling", "order", "RECENT_LENGTH"])
def test_the_digest_changes_with_anything_that_changes_a_value(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec.schema_digest()
    user = spec.FEATURES["user"]
    mean, rating_range = user[2], user[3]
    if change == "RECENT_LENGTH":
        monkeypatch.setattr(spec, change, 7)
    else:
        other = {
            "name": (replace(mean, name="average"), rating_range),
            "type": (replace(mean, type=user[1].type), rating_range),
            "scaling": (replace(mean, scaling="log"), rating_range),
            "order": (rating_range, mean),
        }[change]
        monkeypatch.setitem(spec.FEATURES, "user", (*user[:2], *other, *user[4:]))
    assert spec.schema_digest() != before


def test_a_better_description_is_no_new_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec.schema_digest()
    user = spec.FEATURES["user"]
    monkeypatch.setitem(spec.FEATURES, "user", (replace(user[0], doc="another text"), *user[1:]))
    assert spec.schema_digest() == before


def test_every_number_of_a_user_has_a_formula() -> None:
    assert set(FORMULAS) == set(spec.USER_SCALARS)
