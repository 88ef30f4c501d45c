"""One line a minute says what fails."""

import pytest

from recstack.recommend.answer import AnsweredBatch, Failure
from recstack.recommend.failure_log import FailureLog


def batch(*failures: Failure, unknown: int = 0) -> AnsweredBatch:
    return AnsweredBatch([], 0.0, 0.0, unknown, failures)


STORE, MODEL = Failure("store", "TimeoutError('0.2 s')"), Failure("model", "ValueError('NaN')")


def test_the_first_failure_is_written_at_once_and_the_next_ones_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog()
    log.add(batch(STORE), now=0.0)
    for second in range(1, 60):
        log.add(batch(STORE, unknown=1), now=float(second))
    assert len(caplog.messages) == 1
    log.add(batch(MODEL), now=60.0)
    assert [message.partition("since the last such line ")[2] for message in caplog.messages] == [
        "the store failed for 1, first with TimeoutError('0.2 s'); nothing is known of 0 users",
        "the store failed for 59, first with TimeoutError('0.2 s'); the model failed for 1, first with "
        "ValueError('NaN'); nothing is known of 59 users",
    ]


def test_what_failed_within_the_minute_is_written_also_if_nothing_fails_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = FailureLog()
    for failures, second in (([STORE], 0.0), ([STORE], 30.0), ([], 61.0), ([], 122.0)):
        log.add(batch(*failures), now=second)
    assert len(caplog.messages) == 2


def test_unknown_users_alone_write_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log = FailureLog()
    for minute in range(3):
        log.add(batch(unknown=5), now=minute * 60.0)
    assert caplog.messages == []
