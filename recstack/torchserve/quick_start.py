"""What makes a worker start sooner; benchmarks/cold_start.py measures it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Run a block without Python's garbage collector, which would go through all new modules again and again.

    Afterwards it ignores what the block has made: modules and the model stay as long as the worker.
    benchmarks/NOTES.md, "One answer", has what this saves.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
