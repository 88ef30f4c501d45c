"""The files of "Neural Collaborative Filtering" (He et al., WWW 2017), with the split and negatives of its authors."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.base import Dataset
from recstack.data.adapters.cells import nulls, number
from recstack.data.adapters.mapping_tables import Log
from recstack.data.adapters.reading import read_lines
from recstack.data.adapters.staged import fixed_mapping, log_frame
from recstack.data.traits import Traits

_COLUMNS = ["user", "item", "rating", "timestamp"]
_PAIR = r"^\((\d+),(\d+)\)$"


class NCFFiles(Dataset):
    r"""`ml-1m.train.rating` and `ml-1m.test.rating` (user\titem\trating\ttimestamp), `ml-1m.test.negative`.

    The test file holds the last item of each user. A line of the negatives is `(user,item)` of a test row, then 99
    items that the user never rated, tab separated. Ids are numbers from 0; titles and genres are not in the files.

    With the protocol leave-last-out-99 the test part and the candidates are those of the files, so that figures are
    comparable with published ones. The authors chose their epochs on the test part; here each user's last item but one
    is the validation part, as for any other data.
    """

    name: ClassVar[str] = "ncf_files"
    licence: ClassVar[str] = "of the ratings they were made from; MovieLens: research use (grouplens.org/datasets)"
    fixed_traits: ClassVar[Traits] = Traits(rating_min=0.0, rating_max=5.0, positive_from=4.0, has_timestamps=True)

    prefix: str = Field("ml-1m", min_length=1, pattern=r"^[^/]+$", description="what the names of the files begin with")

    def files(self, source: Path) -> list[Path]:
        """Training rows, test rows and negatives."""
        return [source / f"{self.prefix}.{part}" for part in ("train.rating", "test.rating", "test.negative")]

    def read_interactions(self, spark: SparkSession, source: Path) -> DataFrame:
        """Both parts."""
        train, test, _ = self.files(source)
        return self._ratings(spark, train).unionByName(self._ratings(spark, test))

    def read_items(self, spark: SparkSession, source: Path) -> DataFrame:
        """Every id that occurs."""
        rated = self.read_interactions(spark, source).select(c.ITEM_ID)
        ids = rated.unionByName(self.read_negatives(spark, source).select(c.ITEM_ID)).distinct()
        return ids.select(
            c.ITEM_ID,
            *nulls(c.TITLE, c.GENRES, c.YEAR, c.TYPE, c.EPISODES, c.MEAN_SCORE),
        )

    def read_held_out(self, spark: SparkSession, source: Path) -> DataFrame:
        """The rows of `.test.rating`."""
        return self._ratings(spark, self.files(source)[1]).select(c.USER_ID, c.ITEM_ID)

    def read_negatives(self, spark: SparkSession, source: Path) -> DataFrame:
        """The negatives of `.test.negative`; the target is not among them."""
        path = self.files(source)[2]
        cells = F.split("line", "\t")
        lines = read_lines(spark, path, r"^\(\d+,\d+\)(\t\d+)+\s*$", "(user,item), then items, tab separated")
        return lines.select(
            F.regexp_extract(cells[0], _PAIR, 1).try_cast("bigint").alias(c.USER_ID),
            F.explode(F.slice(cells, 2, F.size(cells) - 1)).alias("item"),
        ).select(c.USER_ID, number("item", "bigint").alias(c.ITEM_ID))

    def _ratings(self, spark: SparkSession, path: Path) -> DataFrame:
        log = Log(
            file=path.name,
            separator="\t",
            columns=_COLUMNS,
            user="user",
            item="item",
            rating="rating",
            time="timestamp",
            time_format="seconds",
        )
        return log_frame(spark, path.parent, fixed_mapping(log, self.fixed_traits))
