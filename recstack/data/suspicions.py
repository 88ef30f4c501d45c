"""What is suspicious in data that keep the contract: worth a word, and no reason to refuse them."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recstack import columns as c
from recstack.data.reading.rows import shown
from recstack.data.reading.staging import Staging


def alike_words(words: DataFrame) -> str:
    """A sentence about ids that differ by leading zeros or capital letters only; "" if there are none.

    Args:
        words: one of the tables `numbering.FOLDERS`.
    """
    plain = F.regexp_replace(F.lower(c.ORIGINAL_ID), r"^0+(?=.)", "")
    groups = words.where(F.col(c.ORIGINAL_ID).isNotNull()).groupBy(plain.alias("plain"))
    alike = groups.agg(
        F.count(F.lit(1)).alias("words"), F.min(c.ORIGINAL_ID).alias("first"), F.max(c.ORIGINAL_ID).alias("last")
    )
    found = alike.where("words > 1").agg(F.count(F.lit(1)), F.min(F.struct("first", "last"))).collect()[0]
    if not found[0]:
        return ""
    return (
        f"differ by leading zeros or capital letters only, {found[0]:,} times, such as {shown(found[1]['first'])} and"
        f" {shown(found[1]['last'])}: they are taken for different ones"
    )


def suspicious_files(staging: Staging) -> list[str]:
    """Sentences about lines that were read although they break a rule."""
    found = []
    for table, losses in staging.losses.items():
        found += losses.remarks(table)
    for facts in staging.logs.values():
        if facts.left_out:
            found.append(f"{facts.left_out:,} events are of kinds with the weight 0, and were left out")
    return found
