"""What a dataset adapter must offer; each module here that defines a `Dataset` is discovered automatically."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyspark.sql import DataFrame, SparkSession

from recstack.data.traits import Traits
from recstack.errors import DataError, UserError, choose


class NoDownloadError(DataError):
    """The dataset is at no address that a program may read."""


class Dataset(BaseModel, ABC):
    """A source of interactions and items. Its fields are the options that a user may set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    licence: ClassVar[str]
    """One line: who owns the data and what may be done with it."""
    fixed_traits: ClassVar[Traits]
    """Of all files of this layout; an adapter that has none overrides `traits`."""

    accept_rejected: bool = Field(
        False, exclude=True, description="use the data although more than 1 % of the rows of a table are rejected"
    )

    def accepts_rejected(self, source: Path) -> bool:
        """Whether losses of more than 1 % of a table are right."""
        return self.accept_rejected

    def traits(self, source: Path) -> Traits:
        """The traits of the data in `source`, as far as they are known before the files are read.

        Raises:
            DataError: the files that tell them can't be used.
        """
        return self.fixed_traits

    @abstractmethod
    def files(self, source: Path) -> list[Path]:
        """The files that must be in the folder `source`; empty for a dataset that needs none."""

    def declared_text_ids(self, source: Path) -> frozenset[str] | None:
        """Which ids are said to be words; None if what is read tells."""
        return frozenset()

    def may_have_words(self, source: Path) -> bool:
        """Whether ids may be words; only the columns that are read tell it for sure."""
        return self.traits(source).text_ids

    @abstractmethod
    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Ratings as `contract.INTERACTIONS`, unchecked: bad cells are null, nothing is dropped silently.

        An id that is a word is a string; `reading.log.ROW_NUMBER` may be one more column.
        """

    @abstractmethod
    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """The catalogue as `contract.ITEMS`, unchecked."""

    def read_users(self, spark: SparkSession, source: Path) -> DataFrame | None:
        """(user_id, attributes) of the users, one row each; None if there are none."""
        return None

    def read_held_out(self, spark: SparkSession, source: Path) -> DataFrame | None:
        """(user_id, item_id) of the test part supplied with the dataset for `leave-last-out`; None if there is none."""
        return None

    def read_negatives(self, spark: SparkSession, source: Path) -> DataFrame | None:
        """(user_id, item_id) of the negatives supplied for `leave-last-out-99`; None if there are none."""
        return None

    def fetch(self, cache: Path) -> Path | None:
        """Folder with the files, downloaded into `cache` if they are not there; None for a dataset that needs none.

        Raises:
            NoDownloadError: this dataset can't be downloaded.
        """
        if names := [path.name for path in self.files(Path())]:
            contents = " and ".join(names)
            wanted = f"pass your own folder with {contents} ({self.licence})"
            raise NoDownloadError(f"{self.name} can't be downloaded: {wanted}")
        return None

    def require_files(self, source: Path | None) -> list[Path]:
        """The required files of `source`.

        Raises:
            DataError: one is missing or empty, or there is no source though the dataset needs one.
        """
        needed = [path.name for path in self.files(source or Path())]
        if not needed:
            return []
        contents = f"{self.name} needs a folder with {' and '.join(needed)}"
        if source is None:
            raise DataError(f"{contents}, but no folder was given")
        paths = self.files(source)
        for path in paths:
            if not path.exists():
                raise DataError(f"{path} does not exist: {contents}")
            if _is_empty(path):
                raise DataError(f"{path} is empty: {contents}")
        return paths


def _is_empty(path: Path) -> bool:
    """Whether Spark finds nothing to read; in a folder it skips names that begin with a dot or an underscore."""
    files = [each for each in path.rglob("*") if each.name[0] not in "._"] if path.is_dir() else [path]
    return not any(each.is_file() and each.stat().st_size for each in files)


def configure(name: str, options: Mapping[str, Any]) -> Dataset:
    """The adapter of that name with these options.

    Raises:
        UserError: there is no such adapter, or it has no such option or value.
    """
    adapter = choose("dataset", name, datasets())
    try:
        return adapter(**options)
    except ValidationError as error:
        known = ", ".join(adapter.model_fields) or "none"
        raise UserError("; ".join(_explain(each, name, known) for each in error.errors())) from None


def _explain(error: Any, dataset: str, known: str) -> str:
    option = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{dataset} has no option {option!r}; its options are: {known}"
    if not option:  # a check of several options at once
        return f"options of {dataset}: {error['msg']}"
    return f"option {option} of {dataset} can't be {error['input']!r}: {error['msg']}"


def datasets() -> dict[str, type[Dataset]]:
    """Every adapter of this package by name."""
    found: dict[str, type[Dataset]] = {}
    for module_info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        module = importlib.import_module(f"{__package__}.{module_info.name}")
        own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
        for value in own:
            if isinstance(value, type) and issubclass(value, Dataset) and value is not Dataset:
                found[value.name] = value
    return dict(sorted(found.items()))
