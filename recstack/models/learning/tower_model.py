"""What a model of two towers is beside its loss and its scores: item vectors, and files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from recstack.features.arrays import Floats
from recstack.features.encode import Encoder, ItemBatch
from recstack.models.base import Recommender
from recstack.models.learning.loop import device
from recstack.models.learning.towers import TowerConfig, Towers


class TowerModel(Recommender):
    """Trained towers, which compute the vectors of the catalogue once."""

    network: ClassVar[type[Towers]]
    sizes: ClassVar[type[TowerConfig]]

    def __init__(self, module: Towers, best_epoch: int = 0) -> None:
        """Wrap a module that is trained, or is being trained."""
        self.module = module.eval()
        self.best_epoch = best_epoch
        self._catalogue: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def catalogue(self) -> tuple[Tensor, Tensor]:
        """Vectors [I, d] and offsets [I] of all items, as of the first call since `forget`."""
        if self._catalogue is None:
            self._catalogue = self.module.catalogue()
        return self._catalogue

    def forget(self) -> None:
        """The weights have changed: compute the vectors anew."""
        self._catalogue = None

    @property
    def item_vectors(self) -> Floats:
        """[I, d] vectors of the catalogue; their cosine is the model's idea of similar items."""
        vectors: Floats = self.catalogue()[0].float().cpu().numpy()
        return vectors

    def refit_options(self) -> dict[str, Any]:
        """The best epoch as the last one, and the same configuration otherwise."""
        return {**asdict(self.module.config), "stop_after": self.best_epoch}

    def save(self, folder: Path) -> None:
        """Write `config.json` and `weights.pt` (a state dict)."""
        self.module.save(folder, self.best_epoch)

    @classmethod
    def load(cls, folder: Path, encoder: Encoder, items: ItemBatch) -> Self:
        """Read what `save` wrote. Content and popularity come from `items`, as they are known now."""
        module, best_epoch = cls.network.load(folder, cls.sizes, items)
        return cls(module.to(device()), best_epoch)
