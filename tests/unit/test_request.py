import pytest
import tiny_catalogue as tiny

from recstack.recommend import BadRequestError
from recstack.recommend.request import Request


def parse(body: object) -> Request:
    return Request.parse(body, tiny.GENRES, tiny.SCALE)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "body", "exactly one of user_id, liked, ratings"),
        ({"user_id": 1, "liked": [2]}, "body", "exactly one of"),
        ({"user_id": "1"}, "user_id", "valid integer"),
        ({"user_id": True}, "user_id", "valid integer"),
        ({"user_id": -1}, "user_id", "greater than or equal to 0"),
        ({"user_id": 2**64}, "user_id", "less than"),
        ({"liked": [1, "x"]}, "liked.1", "valid integer"),
        ({"liked": list(range(1001))}, "liked", "at most 1000"),
        ({"ratings": {"x": 3}}, "ratings.x", "valid integer"),
        ({"ratings": {"11": 9}}, "ratings", "rating 9 of item 11 is outside 1..5"),
        ({"ratings": {"11": float("nan")}}, "ratings.11", "finite"),
        ({"user_id": 1, "k": 0}, "k", "greater than or equal to 1"),
        ({"user_id": 1, "k": 101}, "k", "less than or equal to 100"),
        ({"user_id": 1, "k": 2.5}, "k", "valid integer"),
        ({"user_id": 1, "include_seen": 1}, "include_seen", "valid boolean"),
        ({"user_id": 1, "genres": ["comdy"]}, "genres", "did you mean comedy?"),
        ({"user_id": 1, "limit": 5}, "limit", "Extra inputs are not permitted"),
        ([1], "body", "valid dictionary"),
        (None, "body", "Content-Type: application/json"),
        (b"", "body", "is empty"),
        (b'{"user_id": 1', "body", "is not JSON"),
        (b"\xff\xfe", "body", "is not JSON"),
        (b"[" * 100_000, "body", "is not JSON"),
    ],
)
def test_bad_input_is_refused_with_the_field_and_the_reason(body: object, field: str, reason: str) -> None:
    with pytest.raises(BadRequestError) as error:
        parse(body)
    assert error.value.field == field
    assert reason in error.value.reason


def test_a_body_may_come_as_text() -> None:
    assert parse(b'{"user_id": 1, "k": 3}') == parse({"user_id": 1, "k": 3})
