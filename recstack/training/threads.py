"""CPU threads of training and evaluation."""

import torch


def use_threads(count: int | None) -> None:
    """Let PyTorch compute with so many CPU threads in this process; None keeps its default, one a core.

    Training a small model gains little from a second thread. `settings.LIBRARIES` makes waiting threads sleep instead
    of spin: on busy cores a step of `fusion`'s ranker took 212 ms with two threads that spin, 18 ms with two that
    sleep, and 15 to 23 ms with one (`benchmarks/NOTES.md`).
    """
    if count is not None:
        torch.set_num_threads(count)
