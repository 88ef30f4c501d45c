"""What is suspicious in data that keep the contract: worth a word, and no reason to refuse them."""

import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.reading.rows import shown
from recstack.data.reading.staging import Staging


def alike_words(words: pa.Table) -> str:
    """A sentence about ids that differ by leading zeros or capital letters only; "" if there are none.

    Args:
        words: one of the tables `numbering.FOLDERS`.
    """
    original = words[c.ORIGINAL_ID].drop_null()
    plain = pc.replace_substring_regex(pc.utf8_lower(original), r"^0+(.)", r"\1")
    groups = pa.table({"plain": plain, "word": original}).group_by("plain")
    alike = groups.aggregate([("word", "count"), ("word", "min"), ("word", "max")])
    alike = alike.filter(pc.field("word_count") > 1).sort_by("word_min")
    if not len(alike):
        return ""
    first, last = alike["word_min"][0].as_py(), alike["word_max"][0].as_py()
    return (
        f"differ by leading zeros or capital letters only, {len(alike):,} times, such as {shown(first)} and"
        f" {shown(last)}: they are taken for different ones"
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
