"""What an ingest tells of rejected rows: by reason, with an example of each; and when they are too many."""

from collections.abc import Mapping
from typing import Any, Final

from recstack import columns as c
from recstack.data.checked import Counts
from recstack.data.contract import MAX_ITEM_ID
from recstack.data.reading.log import LINE, PART, ROW_NUMBER
from recstack.data.reading.losses import MOST_LOST
from recstack.data.reading.rows import UNDECODABLE, shown
from recstack.data.reading.staging import Staging
from recstack.data.traits import Traits
from recstack.errors import DataError

_SHOWN: Final = 4
"""Reasons whose examples are in a message."""
_NO_TIME: Final = (
    "if the log does not say when things happened, leave time out (of mapping.toml), and the data are taken as data"
    " without time"
)


def examples(counts: Counts, table: str, staging: Staging, traits: Traits) -> dict[str, str]:
    """For each reason for which rows were rejected where one stands, what is there, and what was expected."""
    met = staging.losses[table].examples if table in staging.losses else {}
    found = {}
    for reason, first in counts.first.items():
        if reason.startswith("null_") and reason in met:
            found[reason] = met[reason]
            continue
        row, where = first, ""
        if ROW_NUMBER in first and (read := staging.row(table, first[ROW_NUMBER])) is not None:
            row, where = (
                read,
                f"{read[PART]}, {'row' if read[PART].endswith(('.parquet', '.pq')) else 'line'} {read[LINE]:,}: ",
            )
        found[reason] = where + _what(reason, row, first, staging, traits)
    return found


def _what(reason: str, row: Mapping[str, Any], first: Mapping[str, Any], staging: Staging, traits: Traits) -> str:
    """What is wrong with a row, and what to do."""
    item, when = row[c.ITEM_ID], first.get(c.TIMESTAMP)
    if reason == "rating_out_of_range":
        seen = [facts.ratings for facts in staging.logs.values() if facts.ratings is not None]
        ends = (
            f"; the ratings of the log are from {min(e[0] for e in seen):g} to {max(e[1] for e in seen):g}"
            if seen
            else ""
        )
        scale = f"{traits.rating_min:g} to {traits.rating_max:g}"
        return f"rating {first[c.RATING]:g} is outside {scale}{ends}: set min and max under [rating], or leave max out"
    if reason == "id_out_of_range":
        item_is_wrong = not (isinstance(first[c.ITEM_ID], int) and 0 <= first[c.ITEM_ID] <= MAX_ITEM_ID)
        kind = "item" if item_is_wrong else "user"
        what = f"{kind} {first[c.ITEM_ID] if item_is_wrong else first[c.USER_ID]}"
        return (
            f'{what} is no number from 0 to {"2^32 - 1" if item_is_wrong else "2^63 - 1"}: write text_ids = ["{kind}"]'
        )
    if reason == "orphan_item":
        alike = _alike(str(item), staging)
        return f"item {shown(item)} is not in the catalogue{alike}"
    if reason == "unknown_timestamp":
        return f'{when} stands for "unknown"; {_NO_TIME}'
    if reason == "timestamp_out_of_range":
        return f"{when} is before 1840; {_NO_TIME}"
    if reason == "future_timestamp":
        return f"{when} has not come yet; {_NO_TIME}"
    empty = [name for name in (c.USER_ID, c.ITEM_ID) if name in first and first[name] is None]
    return f"no {' and no '.join(empty)}" if empty else f"of item {shown(item)}"


def _alike(word: str, staging: Staging) -> str:
    """A remark about an id of the catalogue that differs from this one by zeros or capital letters only."""
    wanted = _plain(word)
    for path in staging.items_read:
        for known in staging.ids(path):
            if known is not None and _plain(known) == wanted and known != word:
                zeros = known.lower() == word.lower() or known.strip("0") != word.strip("0")
                hint = "" if zeros else "; write text_ids = [] to read both as numbers"
                return f", which has {shown(known)}{hint}"
    return ""


def _plain(word: str) -> str:
    return word.lower().removesuffix(".0").lstrip("0") or "0"


def totals(counts: Counts, table: str, staging: Staging) -> tuple[int, dict[str, int]]:
    """Rows that were read, and rejected ones by reason, with the lines of its file that are no rows."""
    lines = staging.losses[table].lines if table in staging.losses else {}
    return counts.read + sum(lines.values()), {**lines, **counts.rejected}


def refuse_losses(
    table: str, read: int, rejected: Mapping[str, int], found: Mapping[str, str], *, accept: bool
) -> None:
    """Refuse a table of which too many rows were rejected.

    Args:
        table: its name, for the message.
        read: rows of its file.
        rejected: rows by reason.
        found: an example for each reason.
        accept: whether it was said that such losses are right.

    Raises:
        DataError: more than `MOST_LOST` of the rows were rejected, lines could not be decoded, or no row is left.
    """
    lost = sum(rejected.values())
    if read and lost < read and (accept or (lost <= MOST_LOST * read and UNDECODABLE not in rejected)):
        return
    if not read:
        raise DataError(f"the {table} table is empty: the source files hold no rows")
    reasons = sorted(rejected, key=lambda reason: -rejected[reason])
    listed = "; ".join(
        f"{reason}: {rejected[reason]:,}, such as {found.get(reason, '')}" for reason in reasons[:_SHOWN]
    )
    if len(reasons) > _SHOWN:
        listed += f"; {', '.join(f'{reason}: {rejected[reason]:,}' for reason in reasons[_SHOWN:])}"
    way_out = (
        ""
        if lost >= read
        else ". Nothing was written; if the rest is right, write accept_rejected = true in mapping.toml, or"
        " pass --accept-rejected"
    )
    raise DataError(f"the {table} table loses {lost:,} of its {read:,} rows ({listed}){way_out}")
