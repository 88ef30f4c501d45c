"""The tables in a folder, and the mapping that fits them."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from recstack.data.adapters.mapping import FILE
from recstack.data.inspection.like import like, resembling
from recstack.data.inspection.proposal import Proposal, propose
from recstack.data.inspection.roles import guess_roles
from recstack.data.inspection.tables import TableSample, read_table
from recstack.errors import DataError

_TEXTS: Final = re.compile(
    r"(readme|licen[cs]e|changes|copying|notice)\b.*|.*\.(md|pdf|html?|py|ipynb|toml|log|png|jpe?g)", re.I
)
"""Names of files that are no data."""
_MOST: Final = 20
"""Files that are looked into."""


class Folder(NamedTuple):
    """What a folder holds."""

    tables: list[TableSample]
    skipped: list[str]
    """Messages about files that can't be read."""


def look_into(folder: Path) -> Folder:
    """Read a sample of each file.

    Raises:
        DataError: there is no such folder, or it has no table that can be read.
    """
    tables, skipped = [], []
    for path in _candidates(folder)[:_MOST]:
        try:
            tables.append(read_table(path))
        except DataError as error:
            skipped.append(str(error))
    if not tables:
        raise DataError("; ".join(skipped) or f"{folder} has no tables: put the log (CSV, JSON lines, Parquet) into it")
    return Folder(tables, skipped)


def proposal_for(found: Folder) -> Proposal:
    """The mapping that fits the files best.

    Raises:
        DataError: see `propose`.
    """
    proposal = propose(guess_roles(found.tables))
    known = resembling(found.tables)
    notes = [f"The files look like {name}: `recstack init-mapping --like {name}` knows more of it." for name in known]
    skipped = [f"Left out: {message}" for message in found.skipped]
    return Proposal(proposal.sections, [*proposal.notes, *notes, *skipped])


def init_mapping(folder: Path, layout: str | None) -> Path:
    """Write `mapping.toml` with a comment for each key; never over one that is there.

    Args:
        folder: holds the files.
        layout: name of a ready-made mapping; None guesses from the files.

    Raises:
        UserError: there is no such layout.
        DataError: there is a mapping, or the folder can't be used.
    """
    require_folder(folder)
    path = folder / FILE
    if path.exists():
        raise DataError(f"{path} is there already: `recstack check` says how it reads; for a new one, rename it")
    text = like(layout, folder) if layout is not None else proposal_for(look_into(folder)).text()
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise DataError(f"{path} can't be written ({error.strerror})") from None
    return path


def _candidates(folder: Path) -> list[Path]:
    require_folder(folder)
    try:
        paths = sorted(
            each for each in folder.iterdir() if each.name[0] not in "._" and not _TEXTS.fullmatch(each.name)
        )
    except OSError as error:
        raise DataError(f"{folder} can't be read ({error.strerror})") from None
    return [each for each in paths if each.is_file() or any(part.is_file() for part in each.rglob("*"))]


def require_folder(folder: Path) -> None:
    """Check that the folder is one.

    Raises:
        DataError: it is a file, or not there.
    """
    if not folder.is_dir():
        what = "is a file, not the folder around it" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}: name the folder that holds the files of the data")
