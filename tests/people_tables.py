"""Reads small files of people with the reader itself, without Spark, and shows what came of them."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recstack import columns as c
from recstack.data.adapters.mapping import Mapping
from recstack.data.losses import refuse_losses
from recstack.data.reading.ids import chosen
from recstack.data.reading.items import ItemReader
from recstack.data.reading.log import LogReader

LOG = {"file": "log.csv", "user": "who", "item": "what"}
RATED = {**LOG, "rating": "stars"}
SCALE = {"min": 0, "max": 10, "positive_from": 4}
HEADER = "who,what,stars,at\n"
CATALOGUE = {"file": "items.csv", "item": "id", "title": "name", "genres": "tags"}


@dataclass
class Found:
    """What a log, and perhaps a catalogue, held."""

    users: list[Any] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    ratings: list[Any] = field(default_factory=list)
    times: list[datetime | None] = field(default_factory=list)
    titles: list[Any] = field(default_factory=list)
    genres: list[Any] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def write(folder: Path, files: dict[str, bytes | str | pa.Table]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def found(folder: Path, **tables: Any) -> Found:
    """Read the tables of a mapping; losses are refused as an ingest refuses them, unless `accept_rejected`."""
    mapping = Mapping.model_validate({"interactions": LOG, **tables})
    reader = LogReader(folder, mapping)
    table = pa.concat_tables(reader.batches())
    facts, forms = reader.facts, dict(reader.facts.forms)
    result = Found(*(table[name].to_pylist() for name in (c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP)))
    result.lost, result.examples = dict(facts.losses.lines), dict(facts.losses.examples)
    result.remarks += facts.warnings
    _refuse("interactions", table.num_rows, result, mapping)
    if mapping.items is not None:
        catalogue = ItemReader(folder, mapping.items, mapping.text_ids)
        items = pa.concat_tables(catalogue.batches())
        result.titles, result.genres = items[c.TITLE].to_pylist(), items[c.GENRES].to_pylist()
        result.lost |= catalogue.facts.losses.lines
        result.examples |= catalogue.facts.losses.examples
        result.remarks += catalogue.facts.warnings
        forms["item"].add(catalogue.facts.forms)
        _refuse("items", items.num_rows, result, mapping)
    result.remarks += [remark for kind in forms if (remark := chosen(mapping.text_ids, forms, kind)[1])]
    return result


def _refuse(table: str, rows: int, result: Found, mapping: Mapping) -> None:
    read = rows + sum(result.lost.values())
    refuse_losses(table, read, result.lost, result.examples, accept=mapping.accept_rejected)
