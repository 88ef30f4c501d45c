"""What an ingest found and what it left out, in lines for people; the manifest holds all of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recstack.data.folders import INTERACTIONS_FOLDER, ITEMS_FOLDER
from recstack.storage.lake import Build


def counted(ingested: Build) -> str:
    """The size of both tables, and the rejected rows by reason."""
    interactions, items = (ingested.manifest[table] for table in (INTERACTIONS_FOLDER, ITEMS_FOLDER))
    rejected = {**_reasons(interactions, items)}
    reasons = f" ({', '.join(f'{reason}: {count:,}' for reason, count in rejected.items())})" if rejected else ""
    total = sum(rejected.values())
    return f"{interactions['rows']:,} interactions, {items['rows']:,} items, {total:,} rejected{reasons}"


def facts_of(ingested: Build) -> list[str]:
    """A line with ranges; then what was left out, with an example of each reason; then what is suspicious."""
    interactions = ingested.manifest[INTERACTIONS_FOLDER]
    lines = [f"  {interactions.get('users', 0):,} users{_range('ratings', interactions)}{_times(interactions)}"]
    for table in (INTERACTIONS_FOLDER, ITEMS_FOLDER):
        facts = ingested.manifest[table]
        if facts.get("repeated"):
            lines.append(f"  {facts['repeated']:,} rows of the {table} repeat another one, and count once")
        for reason, example in facts.get("examples", {}).items():
            lines.append(f"  {table}, {reason}: {facts['rejected'][reason]:,}, such as {example}")
    return lines + [f"  look at this: {warning}" for warning in ingested.manifest.get("warnings", [])]


def _reasons(*tables: Mapping[str, Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for table in tables:
        for reason, count in table["rejected"].items():
            total[reason] = total.get(reason, 0) + count
    return total


def _range(name: str, facts: Mapping[str, Any]) -> str:
    low, high = facts.get(name, (None, None))
    return "" if low is None else f", {name} {low:g} to {high:g}"


def _times(facts: Mapping[str, Any]) -> str:
    first, last = facts.get("seconds", (None, None))
    if first is None:
        return ", no times"
    days = [f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d}" for second in (first, last)]
    return f", from {days[0]} to {days[1]}"
