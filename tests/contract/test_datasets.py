"""Every adapter of the package keeps the contract; a new one is found without a change here."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from pydantic import ValidationError
from pyspark.sql import SparkSession

from recstack import columns as c
from recstack.data.adapters.base import Dataset, datasets
from recstack.data.contract import INTERACTIONS, ITEMS
from recstack.data.ingest import INTERACTIONS_FOLDER, ITEMS_FOLDER, ingest
from recstack.data.traits import Traits
from recstack.errors import DataError

SourceWriter = Callable[[str], Path]
ADAPTERS = list(datasets().values())


@pytest.fixture(params=ADAPTERS, ids=[adapter.name for adapter in ADAPTERS])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    adapter: type[Dataset] = request.param
    return adapter()


def test_every_adapter_in_the_folder_is_found_and_no_two_share_a_name() -> None:
    files = (ROOT / "recstack" / "data" / "adapters").glob("*.py")
    names = [name for file in files for name in re.findall(r'name: ClassVar\[str\] = "(\w+)"', file.read_text())]
    assert sorted(names) == list(datasets())


def test_an_adapter_describes_itself(dataset: Dataset, source: SourceWriter) -> None:
    traits = dataset.traits(source(dataset.name))
    assert traits.rating_min < traits.positive_from <= traits.rating_max
    assert dataset.licence and "\n" not in dataset.licence
    # A module with the name of one of Python's own, such as csv, would hide it.
    assert type(dataset).__module__.removeprefix("recstack.data.adapters.") in (dataset.name, f"{dataset.name}_files")


def test_an_adapter_refuses_options_that_it_does_not_have(dataset: Dataset) -> None:
    with pytest.raises(ValidationError, match="no_such_option"):
        type(dataset)(no_such_option=1)


def test_ingested_tables_keep_the_contract_and_are_built_once(
    spark: SparkSession, dataset: Dataset, source: SourceWriter, tmp_path: Path
) -> None:
    folder = source(dataset.name)
    build = ingest(spark, dataset, folder, tmp_path / "lake")
    for table, schema in ((INTERACTIONS_FOLDER, INTERACTIONS), (ITEMS_FOLDER, ITEMS)):
        assert spark.read.parquet(str(build.path / table)).schema == schema
    interactions, items = pq.read_table(build.path / INTERACTIONS_FOLDER), pq.read_table(build.path / ITEMS_FOLDER)
    traits = dataset.traits(folder)

    assert build.manifest["interactions"]["rows"] == len(interactions) > 0
    assert build.manifest["items"]["rows"] == len(items) > 0
    assert build.manifest["interactions"]["rejected"] == build.manifest["items"]["rejected"] == {}
    assert Traits.of(build) == traits
    assert interactions[c.TIMESTAMP].null_count == (0 if traits.has_timestamps else len(interactions))
    assert traits.rating_min <= pc.min(interactions[c.RATING]).as_py()
    assert pc.max(interactions[c.RATING]).as_py() <= traits.rating_max
    assert pc.all(pc.is_in(interactions[c.ITEM_ID], items[c.ITEM_ID].combine_chunks())).as_py()
    assert items[c.TITLE].null_count == items[c.GENRES].null_count == 0

    again = ingest(spark, dataset, folder, tmp_path / "lake")
    assert (again.path, again.fresh, build.fresh) == (build.path, False, True)


def test_a_file_that_is_missing_empty_or_damaged_is_named_and_nothing_is_written(
    spark: SparkSession, dataset: Dataset, source: SourceWriter, tmp_path: Path
) -> None:
    files = dataset.files(source(dataset.name))
    for path in files:
        whole = path.read_bytes()
        for damaged in (None, b"", b"\x1f\x8b\xff" + whole[: len(whole) // 2]):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(DataError, match=path.name):
                ingest(spark, dataset, path.parent, tmp_path / "lake")
            path.write_bytes(whole)
    assert not list((tmp_path / "lake").glob("*"))


def test_a_dataset_that_needs_files_says_so_when_no_folder_is_given(
    spark: SparkSession, dataset: Dataset, tmp_path: Path
) -> None:
    needed = [path.name for path in dataset.files(Path())]
    if needed:
        with pytest.raises(DataError, match=f"{dataset.name} needs a folder with {needed[0]}"):
            ingest(spark, dataset, None, tmp_path)
    else:
        assert ingest(spark, dataset, None, tmp_path).fresh
