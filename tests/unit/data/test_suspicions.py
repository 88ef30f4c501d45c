"""Ids that differ by little are named, and stay different ids."""

import pyarrow as pa

from recstack import columns as c
from recstack.data.suspicions import alike_words


def numbers(*words: str | None) -> pa.Table:
    return pa.table({c.USER_ID: list(range(len(words))), c.ORIGINAL_ID: pa.array(words, pa.string())})


def test_ids_that_differ_by_leading_zeros_or_capital_letters_are_counted_with_an_example() -> None:
    found = alike_words(numbers("7", "007", "Abe", "abe", "ABE", "zoe", "0", "00", "70", None))
    assert "3 times, such as '0' and '00'" in found


def test_ids_that_differ_otherwise_are_not_alike() -> None:
    assert alike_words(numbers("7", "70", "a7", "abe", "abe ", None, None)) == ""
    assert alike_words(numbers()) == ""
