"""What an experiment is about. It is imported fast, so that a mistake on the command line is answered at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from recstack.data.adapters.base import configure
from recstack.data.splits import PROTOCOLS
from recstack.data.targets import TARGETS
from recstack.errors import choose
from recstack.features.options import FeatureChoices


@dataclass(frozen=True)
class ExperimentConfig:
    """The data of an experiment, how they are split, and which interactions are targets."""

    data: Path | None = None
    """Folder of the source files; None downloads them where that is allowed."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the dataset: fields of its adapter."""
    protocol: str | None = None
    """None takes the dataset's default."""
    target: str = "implicit"
    """Which interactions are targets, see `Target`."""
    split_at: date | None = None
    """First day of the test part of global-time; None takes a quantile of time."""
    features: FeatureChoices = FeatureChoices()
    """How fine dated features are, and which users models learn from."""

    @classmethod
    def read(
        cls,
        dataset: str,
        data: Path | None,
        options: Mapping[str, str],
        protocol: str | None,
        features: Mapping[str, str],
        target: str = "implicit",
        split_at: datetime | None = None,
    ) -> Self:
        """The words of a command line, checked.

        Raises:
            UserError: unknown dataset, option, protocol or target, or a file of `data` is missing.
        """
        choose("target", target, dict.fromkeys(TARGETS))
        if protocol is not None:
            choose("protocol", protocol, dict.fromkeys(PROTOCOLS))
        adapter = configure(dataset, options)
        if data is not None:
            adapter.require_files(data)
        day = split_at.date() if split_at is not None else None
        return cls(data, options, protocol, target, day, FeatureChoices.read(features))
