"""How long and how fast a model learns that is trained in epochs."""

from recstack.models.config import ModelConfig


class Schedule(ModelConfig):
    """Base of the `Config` of every model that `fit_epochs` trains; a model sets its own defaults."""

    epochs: int = 10
    """Epochs at most; over them the learning rate falls linearly to a tenth."""
    stop_after: int | None = None
    """End after this epoch, whatever validation finds; a refit sets it to the best epoch of the first fit."""
    patience: int | None = 3
    """Epochs without a better validation score before training ends; None never ends early."""
    batch_size: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
