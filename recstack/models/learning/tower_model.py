"""What models of two towers share: training towers in epochs, item vectors, and files."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from recstack.features.arrays import Floats, Ints
from recstack.features.batches import ItemBatch
from recstack.features.encode import Encoder
from recstack.models.base import FitContext, Recommender
from recstack.models.learning.device import device
from recstack.models.learning.epoch_model import NetworkModel, read_config, read_weights
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.towers import TowerConfig, Towers
from recstack.models.training_data import TrainingData


class TowerModel(NetworkModel):
    """Trained towers; the vectors of the catalogue are computed once."""

    config_class: ClassVar[type[TowerConfig]]
    network: ClassVar[type[Towers]]

    module: Towers

    def __init__(self, module: Towers, best_epoch: int = 0) -> None:
        """Wrap a module that is trained, or is being trained."""
        self.module = module.eval()
        self.config = module.config
        self.best_epoch = best_epoch
        self._catalogue: tuple[Tensor, Tensor] | None = None

    @classmethod
    @abstractmethod
    def loss(cls, module: Towers, data: TrainingData, rows: Ints) -> Callable[[TrainingBatch], Tensor]:
        """The loss that `fit` minimises; the module is on its device.

        Args:
            module: the towers.
            data: what to learn from.
            rows: [R] the training rows; those of a `TrainingBatch` are indices into them.
        """

    @classmethod
    def fit(cls, data: TrainingData, context: FitContext) -> Self:
        """Train on the rows of users that the training filter admits; see `loss`.

        Raises:
            UserError: no row is eligible, an option is wrong, or the checkpoint is of another model.
        """
        rows = data.eligible_rows(cls.name)
        config = cls.config_class.read(context.options, cls.name)
        torch.manual_seed(context.seed)
        sizes = len(data.encoder.genres), len(data.encoder.user_scalars)
        module = cls.network(config, *sizes, data.items, data.item_counts > 0)
        module.initialise()
        module.to(device())
        model = cls(module)

        def current() -> Recommender:
            model.forget()
            return model

        best_epoch = fit_epochs(
            module,
            torch.arange(len(rows), device=device()),
            cls.loss(module, data, rows),
            config,
            context,
            model=cls.name,
            validate=context.validation_of(current),
        )
        return cls(module, best_epoch)

    @torch.inference_mode()
    def catalogue(self) -> tuple[Tensor, Tensor]:
        """Vectors [I, d] and offsets [I] of all items, as of the first call since `forget`."""
        if self._catalogue is None:
            self._catalogue = self.module.catalogue()
        return self._catalogue

    def forget(self) -> None:
        """Drop the computed vectors, because the weights have changed."""
        self._catalogue = None

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; items with a high cosine are similar to the model."""
        vectors: Floats = self.catalogue()[0].float().cpu().numpy()
        return vectors

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote. Content and popularity come from `items`, as they are known now."""
        config, best_epoch = read_config(folder, cls.config_class)
        module = cls.network.load(read_weights(folder), config, len(encoder.user_scalars), items)
        return cls(module.to(device()), best_epoch)
