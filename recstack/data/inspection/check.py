"""What `recstack check` finds in a folder: facts, rejected rows, suspicions, and whether the data can be used."""

import time
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from recstack.data.adapters.mapping import FILE, Mapping, read_mapping
from recstack.data.adapters.mapping_tables import SPACES
from recstack.data.inspection import page
from recstack.data.inspection.counted import LogCounter, count_catalogue
from recstack.data.inspection.excerpt import Excerpt, excerpt_of
from recstack.data.inspection.facts import Contents, UserContents, percent
from recstack.data.inspection.folders import look_into, proposal_for, require_folder
from recstack.data.inspection.suspicions import suspicions
from recstack.data.inspection.tables import TableSample, read_table
from recstack.data.inspection.toml import toml
from recstack.data.reading.dialect import Dialect
from recstack.data.reading.items import ItemReader
from recstack.data.reading.log import LogReader
from recstack.data.reading.losses import MOST_LOST
from recstack.data.reading.rows import UNDECODABLE
from recstack.data.reading.users import UserReader
from recstack.errors import DataError, UserError

_SURE: Final = 0.9
"""Share of the rows that have to agree before a mapping is doubted."""


@dataclass
class CheckResult:
    """The page, and whether the data can be used."""

    usable: bool
    blocks: list[list[str]] = field(default_factory=list)
    """Lines in groups."""

    def lines(self) -> Iterator[str]:
        """The page."""
        for number, block in enumerate(block for block in self.blocks if block):
            yield from ["", *block] if number else block


def check_folder(dataset: str, folder: Path, *, whole: bool = False) -> CheckResult:
    """Read a folder as its mapping says, or, without one, as the proposed mapping would say.

    Args:
        dataset: must be "csv".
        folder: holds the files.
        whole: whether every row is read; otherwise of large files a sample.

    Raises:
        UserError: another dataset.
        DataError: there is no such folder, the mapping is wrong, or no table can be read.
    """
    if dataset != "csv":
        raise UserError(f"check reads people's own files, the dataset csv; {dataset} has a layout of its own")
    require_folder(folder)
    begun = time.monotonic()
    blocks: list[list[str]] = []
    tables: dict[str, TableSample] = {}
    if (folder / FILE).exists():
        mapping = read_mapping(folder)
    else:
        found = look_into(folder)
        proposal = proposal_for(found)
        mapping = proposal.mapping()
        tables = {table.name: table for table in found.tables}
        head = f"There is no {FILE}; this one would fit (recstack init-mapping {folder} writes it):"
        blocks.append([head, "", *(f"    {line}".rstrip() for line in proposal.text().splitlines())])
    samples, unread = _samples(folder, mapping, tables)
    blocks.append(list(page.file_lines(samples)))
    if unread:
        return CheckResult(False, [*blocks, [*unread, "", _refusal(folder)]])
    with nullcontext(Excerpt(folder, folder)) if whole else excerpt_of(folder, mapping) as excerpt:
        try:
            contents = _read(excerpt, mapping)
        except DataError as error:
            odd = list(page.suspicion_lines(list(_differences(mapping, samples))))
            return CheckResult(False, [*blocks, odd, [excerpt.about_files(str(error)), "", _refusal(folder)]])
        blocks += _found(mapping, samples, contents, excerpt)
    verdict, usable = _verdict(mapping, contents, folder)
    return CheckResult(usable, [*blocks, [*verdict, f"({time.monotonic() - begun:.1f} s)"]])


def _refusal(folder: Path) -> str:
    if not (folder / FILE).exists():
        return "The data can't be used."
    return f"The data can't be used. Mend {FILE}; or rename it, and recstack init-mapping {folder} proposes a new one."


def _samples(
    folder: Path, mapping: Mapping, known: Dictionary[str, TableSample]
) -> tuple[list[tuple[str, TableSample]], list[str]]:
    """What the files look like, and messages about those that can't be read."""
    samples, unread = [], []
    for key, table in mapping.tables:
        if not (folder / table.file).exists():
            there = ", ".join(sorted(each.name for each in folder.iterdir() if each.name != FILE)) or "nothing"
            unread.append(f"{folder / table.file} does not exist: {key}.file names it; the folder has {there}")
            continue
        try:
            samples.append((key, known.get(table.file) or read_table(folder / table.file)))
        except DataError as error:
            unread.append(str(error))
    return samples, unread


def _read(excerpt: Excerpt, mapping: Mapping) -> Contents:
    catalogue = None
    if mapping.items is not None:
        reader = ItemReader(excerpt.folder, mapping.items, mapping.text_ids)
        catalogue = count_catalogue(reader.batches())
        catalogue.whole = mapping.items.file not in excerpt.partial
        catalogue.warnings = [*reader.facts.warnings, *reader.facts.losses.remarks("items")]
        catalogue.rows += catalogue.rejected.take(reader.facts.losses)
    users = None
    if mapping.users is not None:
        people = UserReader(excerpt.folder, mapping.users)
        users = UserContents(sum(batch.num_rows for batch in people.batches()), people.numeric)
        users.warnings = [*people.warnings, *people.losses.remarks("users")]
        users.rows += users.rejected.take(people.losses)
    counter = LogCounter(mapping, catalogue if catalogue is not None and catalogue.whole else None)
    lines = LogReader(excerpt.folder, mapping)
    log = counter.read(lines)
    log.warnings += lines.facts.losses.remarks("interactions")
    log.whole = mapping.interactions.file not in excerpt.partial
    return Contents(log, catalogue, users)


def _found(
    mapping: Mapping, samples: Sequence[tuple[str, TableSample]], contents: Contents, excerpt: Excerpt
) -> list[list[str]]:
    log, columns = contents.log, mapping.interactions
    taken = f"{excerpt.pieces} pieces" if excerpt.pieces > 1 else "the beginning"
    scope = "all rows" if log.whole else f"a sample: {taken} of the file; --whole reads all"
    names = [columns.user, columns.item, columns.rating or columns.kind or "weight", columns.time or ""]
    for _, _, rejected in contents.rejections():
        rejected.examples = {reason: excerpt.about_files(text) for reason, text in rejected.examples.items()}
    odd = [*_differences(mapping, samples), *map(excerpt.about_files, suspicions(mapping, contents))]
    return [
        list(page.row_lines(log, names)),
        list(page.fact_lines(mapping, contents, scope)),
        list(page.rejection_lines(contents.rejections())),
        list(page.suspicion_lines(odd)),
    ]


def _differences(mapping: Mapping, samples: Sequence[tuple[str, TableSample]]) -> Iterator[str]:
    """Where the mapping says other than what a file of text looks like."""
    tables = dict(mapping.tables)
    for key, sample in samples:
        table, guess, encoding = tables[key], sample.dialect, sample.encoding
        if encoding is not None and encoding.name != "utf-8" and not encoding.sure and table.encoding is None:
            yield (
                f'{sample.name} is not UTF-8: write encoding = "{encoding.name}" under [{key}], in which'
                f" {encoding.example!r} is a word of it"
            )
        if guess is None or guess.columns < 2 or guess.agreement < _SURE:
            continue
        used = Dialect.of(table)
        if used.separator not in (guess.separator, SPACES):
            yield f"{sample.name} looks like separator = {toml(guess.separator)}, not {toml(used.separator)} ([{key}])"
        elif guess.escape and not used.escape:
            yield f"{sample.name} looks like escape = {toml(guess.escape)} ([{key}])"


def _verdict(mapping: Mapping, contents: Contents, folder: Path) -> tuple[list[str], bool]:
    for name, rows, rejected in contents.rejections():
        lost = rejected.total()
        if rows - lost <= 0:
            return [f"The data can't be used: [{name}] has no row that is kept."], False
        too_many = lost > MOST_LOST * rows or UNDECODABLE in rejected.counts
        if too_many and not mapping.accept_rejected:
            return [
                f"The data can't be used as they are: {percent(lost, rows)} of the rows of [{name}] would be rejected.",
                f"Mend the mapping or the file; or write accept_rejected = true at the top of {FILE}"
                " to do without them.",
            ], False
    if not (folder / FILE).exists():
        return [f"The data can be used with this mapping: recstack init-mapping {folder}"], True
    return [f"The data can be used: recstack evaluate --dataset csv --data {folder}"], True
