from dataclasses import replace

import pyarrow as pa
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


@pytest.mark.parametrize("owner", ["user", "item"])
@pytest.mark.parametrize("scaling", [None, "standard", "count"])
def test_code_with_a_feature_more_behind_the_others_can_read_what_was_before(
    owner: spec.Owner, scaling: spec.Scaling | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spec.definition()
    new = spec.Feature("new", pa.int64(), "new", scaling)
    monkeypatch.setitem(spec.FEATURES, owner, (*spec.FEATURES[owner], new))
    assert spec.only_adds_to(before)
    after = spec.definition()
    monkeypatch.undo()
    assert not spec.only_adds_to(after)


@pytest.mark.parametrize("change", ["gone", "type", "scaling", "in between", "RECENT_LENGTH"])
def test_code_that_changes_or_moves_a_feature_can_not(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec.definition()
    profile, count, mean, *others = spec.FEATURES["user"]
    if change == "RECENT_LENGTH":
        monkeypatch.setattr(spec, change, 7)
    else:
        changed = {
            "gone": (),
            "type": (replace(mean, type=pa.int64()),),
            "scaling": (replace(mean, scaling="log"),),
            "in between": (spec.Feature("new", pa.int64(), "new", "log"), mean),
        }[change]
        monkeypatch.setitem(spec.FEATURES, "user", (profile, count, *changed, *others))
    assert not spec.only_adds_to(before)
