import subprocess
import sys

WORKER = """
import logging, sys, time
from recstack.torchserve.worker_log import buffer_log
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)  # as TorchServe does
buffer_log()
logging.info("Backend received inference at: 1")
logging.getLogger("ts.metrics.caching_metric").info("[METRICS]one")
{then}
"""


def worker(then: str) -> str:
    """Runs a worker and returns its output."""
    code = WORKER.format(then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60).stdout


def test_metrics_are_written_at_the_end_and_lines_about_batches_are_left_out() -> None:
    assert worker("") == "[METRICS]one\n"


def test_metrics_are_written_soon_even_if_the_worker_is_killed_later() -> None:
    assert worker("time.sleep(1.5); import os; os.kill(os.getpid(), 9)") == "[METRICS]one\n"


def test_a_warning_is_written_at_once_after_what_came_before() -> None:
    then = "logging.getLogger('ts.service').warning('failed'); import os; os.kill(os.getpid(), 9)"
    assert worker(then) == "[METRICS]one\nfailed\n"


def test_many_metrics_are_written_in_their_order() -> None:
    then = "for i in range(20_000): logging.getLogger('ts').info(i)"
    assert worker(then).split() == ["[METRICS]one", *map(str, range(20_000))]
