"""Names of the evaluation protocols and of the parts that they divide interactions into."""

from typing import Final

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"

BEFORE_TEST: Final = (TRAIN, VALIDATION)
"""The parts that a model has learned from when it is judged on the test part."""
EVERYTHING: Final = (TRAIN, VALIDATION, TEST)
"""The parts that the served model has learned from."""

FOLD_IN: Final = "fold-in"
"""The history of a held-out user that a model is given; see `split_at_random.with_fold_in`."""

GLOBAL_TIME: Final = "global-time"
LEAVE_LAST_OUT: Final = "leave-last-out"
LEAVE_LAST_OUT_99: Final = "leave-last-out-99"
"""The split of `LEAVE_LAST_OUT`; each target is ranked among 99 negatives."""
HELD_OUT_USERS: Final = "held-out-users"
STRATIFIED: Final = "stratified"

BY_TIME: Final = (GLOBAL_TIME, LEAVE_LAST_OUT, LEAVE_LAST_OUT_99)
"""Protocols that need a timestamp in every row."""
AT_RANDOM: Final = (HELD_OUT_USERS, STRATIFIED)
"""Protocols that divide at random and ignore timestamps."""
PROTOCOLS: Final = (*BY_TIME, *AT_RANDOM)

SPLIT_SEED: Final = 0
"""Seed of every random draw of a split."""


def default_protocol(has_timestamps: bool) -> str:
    """The protocol that comes closest to serving."""
    return GLOBAL_TIME if has_timestamps else STRATIFIED
