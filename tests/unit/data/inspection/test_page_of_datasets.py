"""docs/adding-a-dataset.md names every key of a mapping and every ready-made one, and its example can be checked."""

import re
from pathlib import Path

import pytest
from checkout import ROOT
from pydantic import BaseModel

from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import ItemTable, Log, Scale, Table, UserTable
from recstack.data.inspection.check import check_folder
from recstack.data.inspection.like import layouts

PAGE = (ROOT / "docs" / "adding-a-dataset.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("table", [Mapping, Table, Log, ItemTable, UserTable, Scale], ids=lambda table: table.__name__)
def test_every_key_is_in_a_table_of_the_page(table: type[BaseModel]) -> None:
    named = {word for row in ROWS for word in re.findall(r"`\[?(\w+)\]?`", row)}
    headings = set(re.findall(r"`\[(\w+)\]`", PAGE))
    assert set(table.model_fields) - named - headings == set()


def test_every_layout_is_in_a_table_of_the_page() -> None:
    assert [name for name in layouts() if not any(f"`{name}`" in row for row in ROWS)] == []


def test_the_example_is_found_usable_with_the_one_row_that_is_rejected(tmp_path: Path) -> None:
    for name, text in re.findall(r"```(?:csv|toml) (loans\.csv|books\.tsv|mapping\.toml)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    result = check_folder("csv", tmp_path)
    assert result.usable
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown in "\n".join(result.lines())
