"""Adds the column `split` to interactions, following the protocol of a name."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.split_at_random import held_out_users, stratified
from recstack.data.split_by_time import global_time, leave_last_out
from recstack.data.splits import (
    AT_RANDOM,
    GLOBAL_TIME,
    HELD_OUT_USERS,
    LEAVE_LAST_OUT,
    LEAVE_LAST_OUT_99,
    PROTOCOLS,
    STRATIFIED,
)
from recstack.errors import DataError

_BY_SEED: Final = {HELD_OUT_USERS: held_out_users, STRATIFIED: stratified}


def assign(
    interactions: DataFrame,
    protocol: str,
    seed: int,
    *,
    split_at: date | None = None,
    held_out: DataFrame | None = None,
) -> DataFrame:
    """Add the column `split` ("train", "validation" or "test") by the protocol of this name.

    Args:
        interactions: one row for each (user, item), in any order.
        protocol: one of `splits.PROTOCOLS`; leave-last-out-99 divides like leave-last-out.
        seed: of the protocols that draw at random; the others ignore it.
        split_at: first day of the test part of global-time; None takes a quantile of time.
        held_out: (user_id, item_id) of the test rows supplied with the dataset for leave-last-out; the others ignore
            it.

    Raises:
        ValueError: there is no such protocol.
        DataError: the protocol needs timestamps and a row has none, or `split_at` is not for this protocol.
    """
    if split_at is not None and protocol != GLOBAL_TIME:
        raise DataError(f"split_at is for the protocol {GLOBAL_TIME}: {protocol} does not divide at a date")
    if protocol in _BY_SEED:
        return _BY_SEED[protocol](interactions, seed)
    by_time: dict[str, Callable[[DataFrame], DataFrame]] = {
        GLOBAL_TIME: partial(global_time, split_at=split_at),
        LEAVE_LAST_OUT: partial(leave_last_out, held_out=held_out),
        LEAVE_LAST_OUT_99: partial(leave_last_out, held_out=held_out),
    }
    if protocol not in by_time:
        raise ValueError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if not interactions.where(F.col(c.TIMESTAMP).isNull()).isEmpty():
        raise DataError(f"{protocol} needs a timestamp in every row; protocols without time: {', '.join(AT_RANDOM)}")
    return by_time[protocol](interactions)
