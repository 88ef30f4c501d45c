"""A trained model as a folder: state, encoder, catalogue and item features, each file with a checksum."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from recstack import columns as c
from recstack.errors import UserError
from recstack.features import spec
from recstack.features.batches import ItemBatch
from recstack.features.encode import Encoder
from recstack.models import models
from recstack.models.base import Recommender
from recstack.recommend.request import RatingScale
from recstack.storage.lake import code_version, file_digest

MANIFEST = "bundle.json"
CATALOGUE = "catalogue.parquet"
ITEMS = "items.parquet"
MODEL = "model"


FittedTo = Literal["all", "train + validation"]
ALL: Final[FittedTo] = "all"
"""Of the model to serve."""
JUDGED: Final[FittedTo] = "train + validation"
"""Of the model that was ranked on the test part, and so has not learned from it."""


class BundleError(UserError, ValueError):
    """A bundle that must not be served; the message says which part and what to do."""


class IncompatibleBundle(BundleError):
    """A whole bundle that this code can't open: it has another feature schema, or the model is not installed."""


class Facts(BaseModel):
    """Origin of a model: leads from an answer back to the run and the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_version: str
    dataset: str
    """Name of the adapter, which is also the Feast project with the features."""
    generation: str
    """Of the feature rows that the model reads, see `features.generation`."""
    timed: bool
    """Whether the features have timestamps; without them anonymous users get no recency either."""
    scale: RatingScale
    config: dict[str, Any]
    """The model's options."""
    data_fingerprint: str
    run_id: str | None
    """MLflow run, if there was one."""
    fitted_to: FittedTo = ALL
    """Which part of the log it learned from."""
    log_end: int | None = None
    """Epoch second of the last interaction that it learned from; None where nothing is known of the time."""
    probe_users: tuple[int, ...] = ()
    """Some users of the training data; a rollout asks for them and expects personal answers."""


class Manifest(BaseModel):
    """What `bundle.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Name in `recstack.models.models()`."""
    genres: tuple[str, ...]
    feature_schema: str
    features: dict[str, Any] = {}
    """Of the features that the model may read, see `spec.definition`; empty in bundles of an earlier recstack."""
    code_version: str
    """Of the code that wrote the bundle, and of the model's."""
    facts: Facts
    checksums: dict[str, str]
    """SHA-256 of each file, by its path in the folder."""


@dataclass(frozen=True)
class Bundle:
    """A checked bundle in memory, except for the model's state."""

    folder: Path
    manifest: Manifest
    encoder: Encoder
    catalogue: pa.Table
    """item_id, title, genres, year."""
    items: pa.Table
    """item_id, event_timestamp and item features at the time of writing."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Check and read what `write_bundle` wrote.

        Raises:
            BundleError: a file is missing or was changed, or this code lacks a feature of the model.
        """
        try:
            manifest = Manifest.model_validate_json((folder / MANIFEST).read_text())
        except (FileNotFoundError, ValidationError) as error:
            raise BundleError(f"{folder} is not a model bundle of this version of recstack: {error}") from None
        for name, expected in manifest.checksums.items():
            if not (folder / name).is_file():
                raise BundleError(f"{name} is missing from the bundle {folder}: build the archive again")
            if (found := file_digest(folder / name)) != expected:
                raise BundleError(
                    f"checksum of {name} is {found[:12]}…, the manifest says {expected[:12]}…: "
                    "the bundle was changed or damaged; build the archive again"
                )
        if not spec.only_adds_to(manifest.features):
            raise IncompatibleBundle(
                f"the model was trained with feature schema {manifest.feature_schema}, this code computes "
                f"{spec.schema_digest()} and no longer has every feature of it: train again, or install recstack "
                f"{manifest.code_version}"
            )
        encoder = Encoder.load(folder)
        if encoder.genres != manifest.genres:
            raise BundleError("the encoder's genre vocabulary differs from the manifest's: build the archive again")
        return cls(folder, manifest, encoder, pq.read_table(folder / CATALOGUE), pq.read_table(folder / ITEMS))

    def model(self, items: ItemBatch) -> Recommender:
        """Load the model for these item features.

        Raises:
            BundleError: this installation has no such model, or has changed it since.
        """
        known = models()
        if self.manifest.model not in known:
            raise IncompatibleBundle(f"model {self.manifest.model!r} is not installed here; known: {', '.join(known)}")
        try:
            return known[self.manifest.model].load(self.folder / MODEL, self.encoder, items)
        except (TypeError, KeyError, RuntimeError, FileNotFoundError) as error:  # of other options, weights or files
            raise BundleError(
                f"{self.manifest.model} of this installation can't load the bundle, which recstack "
                f"{self.manifest.code_version} wrote: train again ({error})"
            ) from error


def write_bundle(
    folder: Path, model: Recommender, encoder: Encoder, catalogue: pa.Table, items: pa.Table, facts: Facts
) -> Manifest:
    """Write a bundle.

    Args:
        folder: an empty folder.
        model: trained with `encoder`.
        encoder: the tensor layout.
        catalogue: item_id, title, genres, year; other columns are left out.
        items: item_id, event_timestamp and `spec.schema("item")`, one row for each item; serving uses those of items
            that the online store lacks.
        facts: origin of the model.
    """
    (folder / MODEL).mkdir()
    model.save(folder / MODEL)
    encoder.save(folder)
    pq.write_table(catalogue.select([c.ITEM_ID, c.TITLE, c.GENRES, c.YEAR]), folder / CATALOGUE)
    pq.write_table(items.select([c.ITEM_ID, c.EVENT_TIMESTAMP, *spec.names("item")]), folder / ITEMS)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(
        model=model.name,
        genres=encoder.genres,
        feature_schema=spec.schema_digest(),
        features=spec.definition(),
        code_version=code_version([__name__, type(model).__module__]),
        facts=facts,
        checksums={str(path.relative_to(folder)): file_digest(path) for path in files},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2))
    return manifest
