"""Bad request bodies for the tiny catalogue, each with the field and the reason that the answer must name."""

from typing import Any

ID = "a whole number from 0 to 9223372036854775807"
FIELDS = "user_id, liked, ratings, k, exclude, include_seen, genres, explain"
OBJECT = 'must be a JSON object such as {"user_id": 42}'
RATINGS = 'must be an object of at most 1000 ratings by item id: {"50": 5}'

BAD_REQUESTS: list[tuple[Any, str, str]] = [
    ({}, "body", "must have exactly one of user_id, liked, ratings, not none"),
    ({"user_id": 1, "liked": [2]}, "body", "must have exactly one of user_id, liked, ratings, not user_id and liked"),
    ({"user_id": "1"}, "user_id", f'must be {ID}, not "1"'),
    ({"user_id": True}, "user_id", f"must be {ID}, not true"),
    ({"user_id": 1.5}, "user_id", f"must be {ID}, not 1.5"),
    ({"user_id": -1}, "user_id", f"must be {ID}, not -1"),
    ({"user_id": 2**64}, "user_id", f"must be {ID}, not 18446744073709551616"),
    ({"user_id": [1]}, "user_id", f"must be {ID}, not a list of length 1"),
    ({"liked": 50}, "liked", "must be a list of at most 1000 item ids, not 50"),
    ({"liked": "50"}, "liked", 'must be a list of at most 1000 item ids, not "50"'),
    ({"liked": [1, "x"]}, "liked.1", f'must be an item id, {ID}, not "x"'),
    ({"liked": [1, None]}, "liked.1", f"must be an item id, {ID}, not null"),
    ({"liked": list(range(1001))}, "liked", "must be a list of at most 1000 item ids, not a list of length 1001"),
    ({"ratings": [11]}, "ratings", f"{RATINGS}, not a list of length 1"),
    ({"ratings": {str(i): 3 for i in range(1001)}}, "ratings", f"{RATINGS}, not an object with 1001 fields"),
    ({"ratings": {"x": 3}}, "ratings.x", f'must be an item id, {ID}, not "x"'),
    ({"ratings": {"1.5": 3}}, "ratings.1.5", f'must be an item id, {ID}, not "1.5"'),
    ({"ratings": {"-1": 3}}, "ratings.-1", f'must be an item id, {ID}, not "-1"'),
    ({"ratings": {"11": "3"}}, "ratings.11", 'must be a number from 1 to 5, not "3"'),
    ({"ratings": {"11": True}}, "ratings.11", "must be a number from 1 to 5, not true"),
    ({"ratings": {"11": float("nan")}}, "ratings.11", "must be a number from 1 to 5, not NaN"),
    ({"ratings": {"11": 9}}, "ratings", "must be from 1 to 5; item 11 has 9"),
    ({"user_id": 1, "k": 0}, "k", "must be a whole number from 1 to 100, not 0"),
    ({"user_id": 1, "k": 101}, "k", "must be a whole number from 1 to 100, not 101"),
    ({"user_id": 1, "k": 2.5}, "k", "must be a whole number from 1 to 100, not 2.5"),
    ({"user_id": 1, "k": None}, "k", "must be a whole number from 1 to 100, not null"),
    (
        {"user_id": 1, "exclude": {"11": 1}},
        "exclude",
        "must be a list of at most 10000 item ids, not an object with 1 field",
    ),
    ({"user_id": 1, "exclude": [[11]]}, "exclude.0", f"must be an item id, {ID}, not a list of length 1"),
    ({"user_id": 1, "include_seen": 1}, "include_seen", "must be true or false, not 1"),
    ({"user_id": 1, "explain": "yes"}, "explain", 'must be true or false, not "yes"'),
    ({"user_id": 1, "genres": "war"}, "genres", 'must be a list of genre names, not "war"'),
    ({"user_id": 1, "genres": [7]}, "genres.0", "must be the name of a genre, not 7"),
    ({"user_id": 1, "genres": ["comdy"]}, "genres", 'there is no genre "comdy"; did you mean comedy?'),
    ({"user_id": 1, "genres": ["jazz"]}, "genres", 'there is no genre "jazz"; choose one of comedy, horror, war'),
    ({"user_id": 1, "limit": 5}, "limit", f"is no field of a request; there are {FIELDS}"),
    ({"user": 1}, "user", "is no field of a request; did you mean user_id?"),
    ({"user_id": 1, "explain": "x" * 99}, "explain", f'must be true or false, not "{"x" * 59}…'),
    ([1], "body", f"{OBJECT}, not a list of length 1"),
    (5, "body", f"{OBJECT}, not 5"),
]
