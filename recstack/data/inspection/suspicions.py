"""What looks wrong in data that can be read: each finding says what was seen and which key may mend it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from recstack.data.adapters.mapping import Mapping
from recstack.data.inspection.facts import CatalogueContents, Contents, LogContents, counted, percent
from recstack.data.inspection.times import in_unit
from recstack.data.reading.cells import NULL_WORDS
from recstack.data.timestamps import DAY

_HEAVY: Final = 0.05
_NOBODY: Final = frozenset(
    {*(word.lower() for word in NULL_WORDS), "0", "-1", "unknown", "anonymous", "guest", "undefined", "test", "admin"}
)
"""Ids that often stand for many users, or none."""
_FEW_ROWS: Final = 100
_MANY_GENRES: Final = 1_000
_YEAR: Final = 365.25 * DAY


def suspicions(mapping: Mapping, contents: Contents) -> list[str]:
    """Sentences about what a person should look at; empty if nothing is odd."""
    log, catalogue, users = contents.log, contents.items, contents.users
    found = [*_of_ids(log), *_of_ratings(mapping, log), *_of_times(mapping, log), *_of_rows(log)]
    if catalogue is not None:
        found += _of_catalogue(mapping, catalogue)
        found = [*catalogue.warnings, *found]
    if users is not None:
        found = [*users.warnings, *found]
    return [*log.warnings, *found]


def _of_ids(log: LogContents) -> Iterator[str]:
    for kind, ids in (("user", log.users), ("item", log.items)):
        heaviest = ids.heaviest()
        if heaviest is not None:
            name, rows = heaviest
            share = rows / max(1, ids.rows)
            usual = max(_HEAVY, 10 / max(1, ids.distinct)) if kind == "user" else 0.5
            if rows > 1 and (share >= usual or (name.lower() in _NOBODY and share >= 0.01)):
                yield (
                    f"{percent(rows, ids.rows)} of the rows are of one {kind}, {name!r}: if it stands for many or for"
                    " none, remove these rows"
                )
        if ids.variant_example is not None:
            first, other = ids.variant_example
            how = "capital letters" if first.casefold() == other.casefold() else "leading zeros"
            yield (
                f"{ids.variants:,} {kind} ids differ from another one only in {how}, such as {first!r} and {other!r}:"
                f" they are different {kind}s here"
            )


def _of_ratings(mapping: Mapping, log: LogContents) -> Iterator[str]:
    scale, found = mapping.rating, log.ratings
    if scale is None or not found.known:
        return
    if found.low == found.high:
        yield f"all ratings are {found.low:g}: leave rating out, and each row counts as 1"
        return
    outside = log.rejected.counts["rating_out_of_range"]
    if outside:
        yield (
            f"the ratings go from {found.low:g} to {found.high:g}: to keep all of them, write min = {found.low:g} and"
            f" max = {found.high:g} under [rating]"
        )
    elif scale.max is not None and mapping.kinds is None:
        span = scale.max - scale.min
        if found.high - found.low < 0.5 * span or found.high <= scale.min + 0.6 * span:
            yield (
                f"the scale goes from {scale.min:g} to {scale.max:g}, and the ratings from {found.low:g} to"
                f" {found.high:g}: is another scale meant (rating.min, rating.max)?"
            )
    unrated = found.values.get(found.low, 0) if found.values else 0
    gap = found.values is not None and len(found.values) > 2 and found.low in (0, -1) and unrated > 0.2 * found.known
    if gap:
        yield (
            f"{percent(unrated, found.known)} of the ratings are {found.low:g}: does it stand for 'no rating'?"
            " [kinds] can leave such rows out"
        )
    liked = log.liked / found.known
    if liked in (0, 1) or liked < 0.02:
        share = percent(log.liked, found.known)
        yield f"{share} of the rows count as liked, {scale.positive_from:g} or more: is rating.positive_from right?"


def _of_times(mapping: Mapping, log: LogContents) -> Iterator[str]:
    times = log.seconds
    if mapping.interactions.time is None or not times.known:
        return
    first, last = datetime.fromtimestamp(times.low, UTC), datetime.fromtimestamp(times.high, UTC)
    if mapping.interactions.time == "row":
        return
    if times.low == times.high:
        yield f"all times are {first:%Y-%m-%d %H:%M:%S}: leave time out, and the data are split without times"
        return
    ticks = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
    unit = ticks.get(mapping.interactions.time_format)
    if unit is not None and last.year < 1990 and (other := in_unit(times.high * unit)):
        yield (
            f"the times go from {first.date()} to {last.date()}; as {other} they would be of our days: write"
            f' time_format = "{other}"'
        )
    elif times.high - times.low > 60 * _YEAR:
        yield f"the times go from {first.date()} to {last.date()}: some may stand for 'unknown'"
    elif times.high - times.low < DAY and times.known > _FEW_ROWS:
        span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
        yield f"all times lie within a day ({span}): are they those of an export?"
    if log.days_only == times.known:
        yield "the times are days without hours: what a user did on one day has no order"


def _of_rows(log: LogContents) -> Iterator[str]:
    kept = log.rows - log.rejected.total()
    repeated = log.repetitions.count()
    if repeated > 0.01 * max(1, kept):
        about = "" if log.repetitions.exact else "about "
        yield f"{about}{repeated:,} rows repeat the user, item and time of another one: one of them counts"
    if 0 < kept < _FEW_ROWS and log.whole:
        yield f"{counted(kept, 'usable row')}: too few to learn from or to compare models"
    users = log.users.distinct
    if log.whole and users > 20 and log.users.single() > 0.5 * users:
        yield f"{percent(log.users.single(), users)} of the users have one row: nothing can be learned of them"


def _of_catalogue(mapping: Mapping, catalogue: CatalogueContents) -> Iterator[str]:
    items = mapping.items
    if items is None:
        return
    genres, count = catalogue.genres, len(catalogue.genres)
    if items.genres is not None and not genres:
        yield f"no item has a genre: is items.genres = {items.genres!r} the right column?"
    elif count > _MANY_GENRES or (count > 50 and 2 * count > catalogue.rows):
        example = min(genres, key=lambda name: (genres[name], name))
        yield (
            f"there are {count:,} genres, such as {example[:60]!r}: is items.genres the right column, and"
            f" genre_separator = {items.genre_separator!r} right?"
        )
    else:
        yield from _of_genre_names(catalogue, items.genre_separator)
    if items.title is not None and catalogue.rows and catalogue.titles < 0.5 * catalogue.rows:
        missing = catalogue.rows - catalogue.titles
        yield f"{missing:,} of {catalogue.rows:,} items have no title: is items.title = {items.title!r} right?"
    if catalogue.entities:
        yield f"titles hold HTML, such as {catalogue.entities[:60]!r}"


def _of_genre_names(catalogue: CatalogueContents, separator: str) -> Iterator[str]:
    for mark in ("|", ",", ";", "/"):
        holding = [name for name in catalogue.genres if mark in name.strip(mark)]
        if mark != separator and len(holding) > 0.3 * len(catalogue.genres):
            yield f'genres hold "{mark}", such as {holding[0][:60]!r}: write genre_separator = "{mark}" under [items]'
            return
