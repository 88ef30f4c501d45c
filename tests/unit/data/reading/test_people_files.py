"""Files of random forms with known contents are read back equal, or refused with the key that is missing."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from people_cells import Row
from people_files import PeopleFile, people_file

from recstack import columns as c
from recstack.data.adapters.mapping import Mapping
from recstack.data.losses import refuse_losses
from recstack.data.reading.log import LogReader
from recstack.errors import DataError

N_FILES = int(os.environ.get("PEOPLE_FILES", "60"))
"""PEOPLE_FILES=2000 tries as many; `benchmarks/NOTES.md` has the result."""


def mapping_of(file: PeopleFile) -> Mapping:
    tables = {**file.mapping, "interactions": {"file": file.name, **file.log}}
    return Mapping.model_validate(tables)


def read(file: PeopleFile, folder: Path) -> list[Row]:
    file.write(folder)
    reader = LogReader(folder, mapping_of(file))
    table = pa.concat_tables(reader.batches())
    losses = reader.facts.losses
    read = table.num_rows + sum(losses.lines.values())
    refuse_losses("interactions", read, losses.lines, losses.examples, accept=False)
    assert not losses.lines
    micros = table[c.TIMESTAMP].cast(pa.int64())
    columns = [table[name].to_pylist() for name in (c.USER_ID, c.ITEM_ID, c.RATING)]
    return list(zip(*columns, micros.to_pylist(), strict=True))


@pytest.mark.parametrize("seed", range(N_FILES))
def test_a_file_is_read_back_equal_or_refused_with_the_missing_key(seed: int, tmp_path: Path) -> None:
    file = people_file(seed)
    if file.refused:
        with pytest.raises(DataError) as error:
            read(file, tmp_path)
        assert file.refused in str(error.value), file.what
    else:
        assert read(file, tmp_path) == file.rows, file.what
