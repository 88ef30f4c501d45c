"""Counts what a log and a catalogue hold, and the rows that the contract will reject, while they are read."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recstack import columns as c
from recstack.data.adapters.mapping import Mapping
from recstack.data.adapters.mapping_tables import Scale
from recstack.data.inspection.facts import CatalogueContents, LogContents
from recstack.data.reading.ids import IdForms, Kind
from recstack.data.reading.log import LINE, PART, LogReader
from recstack.data.timestamps import DAY, EARLIEST, MOST_AHEAD, UNKNOWN_DAYS, UNKNOWN_SECONDS

Mask = npt.NDArray[np.bool_]

_FIRST: Final = 5


class LogCounter:
    """Counts batches of a log."""

    def __init__(self, mapping: Mapping, catalogue: CatalogueContents | None, now: datetime | None = None) -> None:
        """Count a log of this mapping.

        Args:
            mapping: how it is read.
            catalogue: its items, if all of them are known.
            now: after which nothing can have happened; None takes the clock's time.
        """
        self.mapping, self.catalogue = mapping, catalogue
        self.found = LogContents()
        self._latest = ((now or datetime.now(UTC)) + MOST_AHEAD).timestamp()

    def read(self, reader: LogReader) -> LogContents:
        """Count the whole log."""
        for batch in reader.batches():
            self.add(batch)
        found = self.found
        found.rows += found.rejected.take(reader.facts.losses)
        found.left_out = reader.facts.left_out
        found.words = {kind for kind, forms in reader.facts.forms.items() if self._are_words(kind, forms)}
        found.warnings = list(reader.facts.warnings)
        return found

    def _are_words(self, kind: Kind, forms: IdForms) -> bool:
        declared = self.mapping.text_ids
        return kind in declared if declared is not None else not forms.are_numbers

    def add(self, batch: pa.Table) -> None:
        """Count a batch of `LogReader`."""
        found = self.found
        users, items = (batch[name].combine_chunks().cast(pa.string()) for name in (c.USER_ID, c.ITEM_ID))
        ratings = (
            pc.fill_null(batch[c.RATING].combine_chunks(), np.nan).to_numpy(zero_copy_only=False).astype(np.float64)
        )
        times = batch[c.TIMESTAMP].combine_chunks()
        timed = _known(times)
        seconds = np.where(timed, pc.fill_null(times.cast(pa.int64()), 0).to_numpy(zero_copy_only=False) / 1e6, np.nan)
        if len(found.first) < _FIRST:
            self._remember(batch.slice(0, _FIRST), users, items)
        user_hashes, item_hashes = found.users.add(users), found.items.add(items)
        plain = self._numbers_of_file(ratings)
        rejected = self._reject(batch, users, items, plain, seconds, item_hashes)
        found.rows += batch.num_rows
        found.ratings.add(plain)
        if self.mapping.rating is not None:
            found.liked += int((plain >= self.mapping.rating.positive_from).sum())
        kept = ~rejected
        found.seconds.add(seconds[kept])
        found.days_only += int((seconds[timed & kept] % DAY == 0).sum())
        whole = np.nan_to_num(np.floor(seconds), nan=0.0).astype(np.int64)
        found.repetitions.add([user_hashes[kept], item_hashes[kept], whole[kept]])

    def _numbers_of_file(self, ratings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Ratings before `transform`."""
        if self.mapping.rating is None or self.mapping.rating.transform is None:
            return np.round(ratings, 6)
        return np.where(ratings < 0, ratings, np.round(np.exp2(ratings) - 1, 4))

    def _reject(
        self,
        batch: pa.Table,
        users: pa.Array,
        items: pa.Array,
        ratings: npt.NDArray[np.float64],
        seconds: npt.NDArray[np.float64],
        item_hashes: npt.NDArray[np.int64],
    ) -> Mask:
        """Count the rows that the contract will reject, each for its first reason; returns which they are."""
        log, scale = self.mapping.interactions, self.mapping.rating
        wrong: dict[str, tuple[Mask, str]] = {"null_id": (~_known(users) | ~_known(items), "")}
        if log.has_rating:
            assert scale is not None
            wrong["null_rating"] = np.isnan(ratings), ""
            outside = (ratings < scale.min) | (ratings > (np.inf if scale.max is None else scale.max))
            wrong["rating_out_of_range"] = (
                outside,
                f"{log.rating or 'rating'} {{rating:g}} is outside of {_scale(scale)}",
            )
        if log.time is not None:
            wrong["null_timestamp"] = np.isnan(seconds), ""
            days = np.floor(seconds / DAY)
            unknown = np.isin(np.floor(seconds), UNKNOWN_SECONDS) | np.isin(days, [_day(day) for day in UNKNOWN_DAYS])
            wrong["unknown_timestamp"] = unknown, f"{log.time} is {{time}}, which stands for 'unknown'"
            early = f"{log.time} is {{time}}, before 1840"
            wrong["timestamp_out_of_range"] = seconds < EARLIEST, early
            wrong["future_timestamp"] = seconds > self._latest, f"{log.time} is {{time}}, which is still to come"
        if self.catalogue is not None and self.mapping.items is not None:
            strange = ~np.isin(item_hashes, self.catalogue.items.hashes)
            wrong["orphan_item"] = strange, f"item {{item!r}} is not in {self.mapping.items.file}{{alike}}"
        rejected = np.zeros(batch.num_rows, np.bool_)
        for reason, (rows, why) in wrong.items():
            rows = rows & ~rejected
            rejected |= rows
            if rows.any():
                index = int(np.argmax(rows))
                item = items[index].as_py()
                alike = self.catalogue.items.alike(item) if reason == "orphan_item" and self.catalogue else None
                remark = f", which has {alike!r}" if alike is not None else ""
                text = why.format(rating=ratings[index], time=_shown(seconds[index]), item=item, alike=remark)
                self.found.rejected.add(reason, int(rows.sum()), f"{_position(batch, index)}: {text}" if why else "")
        return rejected

    def _remember(self, batch: pa.Table, users: pa.Array, items: pa.Array) -> None:
        for index in range(min(batch.num_rows, _FIRST - len(self.found.first))):
            rating, time = batch[c.RATING][index].as_py(), batch[c.TIMESTAMP][index].as_py()
            plain = "" if rating is None else f"{self._numbers_of_file(np.array([rating], np.float64))[0]:g}"
            shown = "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
            row = (users[index].as_py() or "", items[index].as_py() or "", plain, shown)
            self.found.first.append(row)


def count_catalogue(tables: Iterable[pa.Table]) -> CatalogueContents:
    """Count batches of a catalogue, with the columns of the contract."""
    found = CatalogueContents()
    for batch in tables:
        ids = batch[c.ITEM_ID].combine_chunks().cast(pa.string())
        found.rows += batch.num_rows
        found.items.add(ids)
        titles = batch[c.TITLE].combine_chunks()
        found.titles += len(titles) - titles.null_count
        if not found.entities:
            odd = titles.filter(pc.fill_null(pc.match_substring_regex(titles, r"&(#\d+|[a-z]+);"), False))
            found.entities = odd[0].as_py() if len(odd) else ""
        lists = batch[c.GENRES].combine_chunks()
        names = pc.utf8_lower(pc.utf8_trim_whitespace(pc.list_flatten(lists)))
        counts = pc.value_counts(names.filter(pc.fill_null(pc.not_equal(names, ""), False)))
        found.genres.update({each["values"].as_py(): each["counts"].as_py() for each in counts})
        found.without_genres += int(pc.sum(pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)).as_py() or 0)
        found.years.add(
            pc.fill_null(batch[c.YEAR].combine_chunks().cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
        )
    return found


def _scale(scale: Scale) -> str:
    return f"the scale, from {scale.min:g}" + ("" if scale.max is None else f" to {scale.max:g}")


def _known(values: pa.Array) -> Mask:
    return np.asarray(pc.is_valid(values).to_numpy(zero_copy_only=False), np.bool_)


def _position(batch: pa.Table, index: int) -> str:
    return f"{batch[PART][index].as_py()}, line {batch[LINE][index].as_py():,}"


def _shown(seconds: float) -> str:
    if np.isnan(seconds):
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _day(day: str) -> int:
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
