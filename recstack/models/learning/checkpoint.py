"""The state of a training that `fit_epochs` runs, and the file that a killed one resumes from."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recstack.errors import UserError

log = logging.getLogger(__name__)

SCORE = "validation_ndcg@10"
"""Name of the validation score among the metrics of an epoch."""


class TrainingState:
    """Everything that a resumed run needs to end where an unbroken one would."""

    def __init__(self, module: nn.Module, optimizer: Any, decay: Any) -> None:
        """Start before the first epoch."""
        self._parts = {"module": module, "optimizer": optimizer, "decay": decay}
        self.epoch = self.best_epoch = 0
        self.best_score = float("-inf")
        self.best = self._weights()
        """Weights of the best epoch."""
        self.history: list[dict[str, float]] = []
        """Metrics of each epoch so far."""

    def advance(self, metrics: dict[str, float]) -> None:
        """Count an epoch that has ended, and remember its weights if it is the best so far."""
        self.epoch += 1
        self.history.append(metrics)
        score = metrics.get(SCORE)
        if score is None or not score <= self.best_score:  # a NaN score, from an empty validation part, counts as best
            self.best, self.best_epoch = self._weights(), self.epoch
            self.best_score = float("nan") if score is None else score

    def save(self, path: Path) -> None:
        """Replace the file whole, so that a kill leaves the old one or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self._parts.items()}
        position = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_score": self.best_score}
        draft = path.with_suffix(".draft")
        torch.save({**state, **position, "best": self.best, "history": self.history}, draft)
        os.replace(draft, path)

    def load(self, path: Path) -> None:
        """Continue from the file; one that can't be read is ignored with a warning.

        Raises:
            UserError: it is of another model.
        """
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            log.warning("checkpoint %s can't be read, training starts from the beginning: %s", path, error)
            return
        try:
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise UserError(f"checkpoint {path} is of another model or other options; remove it: {error}") from error
        self.epoch, self.best_epoch, self.best_score = state["epoch"], state["best_epoch"], state["best_score"]
        self.best, self.history = state["best"], state["history"]

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._parts["module"].state_dict().items()}
