"""What models that are trained in epochs have in common: their options, their best epoch, and how these are stored."""

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from recstack.models.base import Recommender
from recstack.models.learning.schedule import Schedule

S = TypeVar("S", bound=Schedule)


class EpochModel(Recommender):
    """A model trained by `fit_epochs`, whose refit ends after the epoch that was best."""

    config: Schedule
    best_epoch: int
    """From 1; 0 while it is being trained."""

    def refit_options(self) -> dict[str, Any]:
        """The same options, with the best epoch as the last one."""
        return {**self.config.model_dump(), "stop_after": self.best_epoch}

    def save(self, folder: Path) -> None:
        """Write `config.json`: the options and the best epoch."""
        facts = {"config": self.config.model_dump(), "best_epoch": self.best_epoch}
        (folder / "config.json").write_text(json.dumps(facts, indent=2))


class NetworkModel(EpochModel):
    """An `EpochModel` that is one network, whose `config` are the model's options."""

    module: nn.Module

    def save(self, folder: Path) -> None:
        """Write `config.json` and `weights.pt` (a state dict)."""
        super().save(folder)
        torch.save(self.module.state_dict(), folder / "weights.pt")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The state dict that `NetworkModel.save` wrote, on the CPU; mapped, so that parts nobody uses are never read."""
    weights: dict[str, Tensor] = torch.load(folder / "weights.pt", weights_only=True, map_location="cpu", mmap=True)
    return weights


def read_config(folder: Path, kind: type[S]) -> tuple[S, int]:
    """The options and the best epoch that `EpochModel.save` wrote."""
    facts = json.loads((folder / "config.json").read_text())
    return kind.model_validate(facts["config"]), facts["best_epoch"]
