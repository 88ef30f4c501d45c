import subprocess
import sys

WORKER = """
import logging, sys, time
from recstack.torchserve.worker_log import gather
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)  # as TorchServe does
gather()
logging.info("Backend received inference at: 1")
logging.getLogger("ts.metrics.caching_metric").info("[METRICS]one")
{then}
"""


def worker(then: str) -> str:
    """What such a worker has written when it ended."""
    code = WORKER.format(then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60).stdout


def test_metrics_are_written_at_the_end_and_not_the_line_about_each_batch() -> None:
    assert worker("") == "[METRICS]one\n"


def test_metrics_are_written_soon_even_if_the_worker_is_killed_later() -> None:
    assert worker("time.sleep(1.5); import os; os.kill(os.getpid(), 9)") == "[METRICS]one\n"


def test_a_warning_is_written_at_once_after_what_came_before() -> None:
    then = "logging.getLogger('ts.service').warning('failed'); import os; os.kill(os.getpid(), 9)"
    assert worker(then) == "[METRICS]one\nfailed\n"
