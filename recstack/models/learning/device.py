"""Where tensors of models are computed."""

import torch


def device() -> torch.device:
    """The CUDA card if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
