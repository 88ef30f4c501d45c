"""Tables that `reading` has read from files, as frames of Spark."""

from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.adapters.cells import nulls
from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import Log, Scale, UserTable
from recstack.data.contract import INTERACTIONS, ITEMS
from recstack.data.reading.ids import IdForms, Kind, chosen
from recstack.data.reading.log import ROW_NUMBER
from recstack.data.reading.staging import Staging, current_staging
from recstack.data.traits import Traits
from recstack.spark import read_table

KINDS: dict[str, Kind] = {c.USER_ID: "user", c.ITEM_ID: "item"}


def log_frame(spark: SparkSession, source: Path, mapping: Mapping) -> DataFrame:
    """The interactions of a mapping: `contract.INTERACTIONS` and `ROW_NUMBER`; ids are strings where they are words.

    Raises:
        DataError: the files can't be used as the mapping says.
    """
    staging = current_staging()
    path, _ = staging.log(source, mapping)
    if mapping.text_ids is None and mapping.items is not None:
        staging.items(source, mapping.items, mapping.text_ids)  # its ids count too
    frame = read_table(spark, path)
    ids = {name: _id(name, mapping, staging) for name in (c.USER_ID, c.ITEM_ID)}
    return frame.withColumns(ids).select(*INTERACTIONS.names, ROW_NUMBER)


def items_frame(spark: SparkSession, source: Path, mapping: Mapping) -> DataFrame:
    """The catalogue of a mapping, or the items of its log: `contract.ITEMS` and `ROW_NUMBER`.

    Raises:
        DataError: see `log_frame`.
    """
    staging = current_staging()
    log, _ = staging.log(source, mapping)
    if mapping.items is None:
        ids = read_table(spark, log).groupBy(c.ITEM_ID).agg(F.min(ROW_NUMBER).alias(ROW_NUMBER))
        frame = ids.select(_id(c.ITEM_ID, mapping, staging).alias(c.ITEM_ID), ROW_NUMBER)
        known = frame.where(F.col(c.ITEM_ID).isNotNull())
        nothing = nulls(*ITEMS.names[1:])
        return known.select(c.ITEM_ID, *nothing, ROW_NUMBER)
    path, _ = staging.items(source, mapping.items, mapping.text_ids)
    frame = read_table(spark, path)
    return frame.withColumn(c.ITEM_ID, _id(c.ITEM_ID, mapping, staging)).select(*ITEMS.names, ROW_NUMBER)


def users_frame(spark: SparkSession, source: Path, mapping: Mapping, table: UserTable) -> DataFrame:
    """(user_id, attributes): attributes are doubles where all cells are numbers, else strings.

    Raises:
        DataError: see `log_frame`.
    """
    staging = current_staging()
    staging.log(source, mapping)
    path, numeric = staging.users(source, table)
    frame = read_table(spark, path)
    attributes = {name: _attribute(name, name in numeric) for name in table.attributes}
    ids = _id(c.USER_ID, mapping, staging, is_word=True)
    return frame.withColumns({**attributes, c.USER_ID: ids}).dropDuplicates([c.USER_ID])


def fixed_mapping(log: Log, traits: Traits) -> Mapping:
    """The mapping of a dataset whose layout is known, and whose ids are numbers."""
    scale = Scale(min=traits.rating_min, max=traits.rating_max, positive_from=traits.positive_from)
    return Mapping(interactions=log, rating=scale, text_ids=frozenset())


def _attribute(name: str, is_number: bool) -> Column:
    column = F.col(f"`{name.replace('`', '``')}`")
    return column.try_cast("double") if is_number else column


def _id(name: str, mapping: Mapping, staging: Staging, *, is_word: bool = False) -> Column:
    """An id as the mapping, or what was found, makes it a word or a number."""
    kind, forms, column = KINDS[name], staging.forms(), F.col(name)
    if mapping.text_ids is not None and kind in mapping.text_ids:
        return column
    if mapping.text_ids is not None and not is_word:
        return column  # `reading` has made numbers of them
    if mapping.text_ids is None and (kind in staging.words_before or chosen(mapping.text_ids, forms, kind)[0]):
        return column
    return _number(column, forms[kind], is_word=is_word)


def _number(word: Column, forms: IdForms, *, is_word: bool) -> Column:
    plain = F.regexp_replace(word, r"\.0+$", "") if is_word or forms.with_point else word
    return F.when(plain.rlike(r"^-?[0-9]+$"), plain.try_cast("bigint"))
