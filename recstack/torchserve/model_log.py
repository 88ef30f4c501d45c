"""Finds in TorchServe's model log why a worker did not start, or answered with popular items."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_RAISED: Final = re.compile(r" - ((?:\w+\.)*\w*(?:Error|Exception|Refused)\w*: .+)$", re.MULTILINE)
"""The last line of a traceback, behind the name of the worker's thread."""


@dataclass(frozen=True)
class ModelLog:
    """`logs/model.log` beside the key file, from a position on. Missing if TorchServe runs on another machine."""

    path: Path
    start: int

    @classmethod
    def from_now(cls, keys: Path) -> Self:
        """What the workers of the TorchServe with this key file write from now on."""
        path = keys.parent / "logs" / "model.log"
        return cls(path, path.stat().st_size if path.exists() else 0)

    def last_error(self) -> str | None:
        """The last error that a worker has raised or logged, in one line; None if the log has none."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            begin = self.start if self.start <= self.path.stat().st_size else 0  # it has rolled over meanwhile
            file.seek(begin)
            found = _RAISED.findall(file.read().decode(errors="replace"))
        return str(found[-1]) if found else None
