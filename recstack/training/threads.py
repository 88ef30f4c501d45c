"""CPU threads of training and evaluation."""

import torch


def use_threads(count: int | None) -> None:
    """Let PyTorch compute with so many CPU threads in this process; None keeps its default, one a core.

    Training a small model gains little from a second thread. Where other programs keep the cores busy, one thread is
    several times faster than many that wait for each other.
    """
    if count is not None:
        torch.set_num_threads(count)
