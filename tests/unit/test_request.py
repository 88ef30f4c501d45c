from typing import Any

import pytest
import tiny_catalogue as tiny
from bad_requests import BAD_REQUESTS, OBJECT

from recstack.recommend import BadRequestError
from recstack.recommend.request import Request


def parse(body: object) -> Request:
    return Request.parse(body, tiny.GENRES, tiny.SCALE)


def refused(body: object) -> tuple[str, str]:
    with pytest.raises(BadRequestError) as error:
        parse(body)
    assert str(error.value) == f"{error.value.field}: {error.value.reason}"
    return error.value.field, error.value.reason


@pytest.mark.parametrize(("body", "field", "reason"), BAD_REQUESTS, ids=lambda value: str(value)[:40])
def test_a_bad_request_is_refused_with_the_field_and_the_reason(body: Any, field: str, reason: str) -> None:
    assert refused(body) == (field, reason)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "is empty; send JSON with the header Content-Type: application/json"),
        (b"", "is empty; send JSON with the header Content-Type: application/json"),
        (b'{"user_id": 1', "is not JSON: Expecting ',' delimiter: line 1 column 14 (char 13)"),
        (b"\xff\xfe\x00", "is not JSON: it is not a text in UTF-8"),
        (b"[" * 100_000, "has too many lists or objects within each other"),
        (b'{"user_id": ' + b"9" * 5000 + b"}", "has a number of too many digits"),
        (b"null", f"{OBJECT}, not null"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: object, reason: str) -> None:
    assert refused(body) == ("body", reason)


def test_a_body_may_come_as_text() -> None:
    assert parse(b'{"user_id": 1, "k": 3}') == parse({"user_id": 1, "k": 3})
