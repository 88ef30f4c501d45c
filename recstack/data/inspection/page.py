"""The result of a check as aligned text, a screen or two long."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from recstack.data.adapters.mapping import Mapping
from recstack.data.inspection.counting import IdCounts, NumberCounts
from recstack.data.inspection.facts import CatalogueContents, Contents, LogContents, Rejections, counted, percent
from recstack.data.inspection.tables import TableSample, count_of_rows

_ROWS: Final = 5
_WIDTH: Final = 28
_LINE: Final = 118
_GENRES: Final = 8


def file_lines(samples: Sequence[tuple[str, TableSample]]) -> Iterator[str]:
    """What the files are."""
    yield "Files"
    for key, table in samples:
        size = _bytes(table.sample.size)
        packed = f", {table.sample.compression}" if table.sample.compression else ""
        parts = f", {len(table.sample.parts)} files" if table.sample.path.is_dir() else ""
        rows = f", {count_of_rows(table)}" if table.estimated_rows is not None else ""
        layout = {"json": "JSON lines", "parquet": "Parquet"}.get(table.layout, table.layout)
        yield f"  [{key}] {table.name}: {layout}{packed}{parts}, {size}{rows}"
        if table.dialect is not None and table.encoding is not None:
            dialect = table.dialect
            names = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "blanks", "  ": "blanks", "|": "pipes (|)"}
            separator = names.get(dialect.separator, repr(dialect.separator).strip("'"))
            quote = f"quotes {dialect.quote}" if dialect.quote else "no quotes"
            escape = f", escape {dialect.escape}" if dialect.escape else ""
            header = "a header line" if dialect.header else "no header line"
            yield f"    looks like: {separator}, {quote}{escape}, {table.encoding.name}, {header}"
        yield from _wrapped("    columns: ", [column.name for column in table.columns])


def row_lines(log: LogContents, names: Sequence[str]) -> Iterator[str]:
    """The first rows as they are read."""
    yield "First rows, as they are read"
    rows = [tuple(names), *log.first[:_ROWS]]
    widths = [min(_WIDTH, max(len(row[index]) for row in rows)) for index in range(len(names))]
    for row in rows:
        cells = [_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield ("  " + "  ".join(cells)).rstrip()


def fact_lines(mapping: Mapping, contents: Contents, scope: str) -> Iterator[str]:
    """Numbers and ranges."""
    log, catalogue, users = contents.log, contents.items, contents.users
    yield f"Contents ({scope})"
    left_out = f", and {log.left_out:,} left out by their kind" if log.left_out else ""
    yield f"  rows       {log.rows:,}{left_out}"
    yield f"  users      {_ids(log.users)}; {_kind_of_ids('user', log)}"
    yield f"  items      {_ids(log.items)}; {_kind_of_ids('item', log)}"
    if log.ratings.known and mapping.rating is not None:
        liked = f"; {percent(log.liked, log.ratings.known)} are liked ({mapping.rating.positive_from:g} or more)"
        yield f"  ratings    {log.ratings.low:g} to {log.ratings.high:g}{_scale(mapping)}{liked}"
    elif log.ratings.known and mapping.kinds is not None:
        yield f"  weights    {log.ratings.low:g} to {log.ratings.high:g}"
    if mapping.interactions.time == "row":
        yield "  times      the order of the rows"
    elif log.seconds.known:
        yield f"  times      {_clock(log.seconds.low)} to {_clock(log.seconds.high)} UTC"
    else:
        yield "  times      none"
    if catalogue is not None:
        yield from _catalogue_lines(catalogue)
    if users is not None and mapping.users is not None:
        kinds = [f"{name} ({'numbers' if name in users.numbers else 'words'})" for name in mapping.users.attributes]
        yield from _folded("  attributes ", f"of {users.rows:,} users: {', '.join(kinds)}")


def rejection_lines(tables: Sequence[tuple[str, int, Rejections]]) -> Iterator[str]:
    """Rows that would be left out, with an example of each reason."""
    for name, rows, rejected in tables:
        if not rejected.total():
            yield f"No row of [{name}] would be rejected."
            continue
        of = f"{rejected.total():,} of {counted(rows, 'row')} of [{name}]"
        yield f"{of} would be rejected ({percent(rejected.total(), rows)})"
        width, digits = max(map(len, rejected.counts)), len(f"{max(rejected.counts.values()):,}")
        for reason, count in rejected.counts.most_common():
            lead = f"  {reason:{width}}  {count:>{digits},}  "
            yield from _folded(lead, rejected.examples.get(reason, ""))


def suspicion_lines(found: Sequence[str]) -> Iterator[str]:
    """What to look at."""
    if found:
        yield "Look at this"
        for each in found:
            yield from _folded("  - ", each)


def _catalogue_lines(catalogue: CatalogueContents) -> Iterator[str]:
    items, rows = catalogue.items.distinct, catalogue.rows
    several = f" in {rows:,} rows" if rows != items else ""
    yield f"  catalogue  {items:,} items{several}, {catalogue.titles:,} with a title{_years(catalogue.years)}"
    if catalogue.genres:
        most = [f"{_cut(name, 40)} {count:,}" for name, count in catalogue.genres.most_common(_GENRES)]
        more = ", …" if len(catalogue.genres) > _GENRES else ""
        none = f"; none: {counted(catalogue.without_genres, 'item')}" if catalogue.without_genres else ""
        yield from _folded("  genres     ", f"{len(catalogue.genres):,}: {', '.join(most)}{more}{none}")


def _years(years: NumberCounts) -> str:
    return f", years {years.low:.0f} to {years.high:.0f}" if years.known else ""


def _ids(ids: IdCounts) -> str:
    if not ids.distinct:
        return "none"
    return f"{ids.distinct:,}, {ids.rows / ids.distinct:,.1f} rows each"


def _kind_of_ids(kind: str, log: LogContents) -> str:
    ids = log.users if kind == "user" else log.items
    if kind in log.words:
        return f"ids are words, such as {_cut(ids.example, 40)}"
    return "ids are numbers" + (f", {ids.range[0]} to {ids.range[1]}" if ids.range else "")


def _scale(mapping: Mapping) -> str:
    assert mapping.rating is not None
    if mapping.rating.max is None:
        return ", no upper end"
    return f" on a scale from {mapping.rating.min:g} to {mapping.rating.max:g}"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _cut(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _wrapped(lead: str, words: Sequence[str]) -> Iterator[str]:
    shown = [_cut(word, 40) for word in words[:24]]
    yield from _folded(lead, ", ".join(shown) + (f" and {len(words) - 24} more" if len(words) > 24 else ""))


def _folded(lead: str, text: str) -> Iterator[str]:
    """Text behind a lead, further lines indented as far."""
    line = lead
    for word in text.split():
        if len(line) + len(word) + 1 > _LINE and line.strip() and line != lead:
            yield line.rstrip()
            line = " " * len(lead)
        line += word + " "
    yield line.rstrip()
