"""Counts of ids and numbers in one pass over a log of any length, in bounded memory."""

from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.int64]

_COMPACT: Final = 2_000_000
"""Hashes that are collected before equal ones are merged."""
_HEAVY: Final = 0.005
"""Share of a batch from which an id is remembered by its name."""
_VARIANTS: Final = 300_000
"""Distinct ids among which different spellings of one id are looked for."""
_MOST_VALUES: Final = 2_000
"""Distinct numbers that are counted one by one."""
_KEPT: Final = 4_000_000
"""Rows that are compared with one another; of a longer log a random share of so many."""


class IdCounts:
    """Rows of each id: all by 64-bit hashes, the heaviest by name."""

    def __init__(self) -> None:
        self.rows = 0
        self.variants = 0
        """Ids that are another one but for capital letters or leading zeros, among the first distinct ones."""
        self.variant_example: tuple[str, str] | None = None
        self.range: tuple[int, int] | None = None
        """Lowest and highest, while all ids are whole numbers."""
        self.example = ""
        """The first id."""
        self._are_numbers = True
        self._hashes: Hashes = np.zeros(0, np.int64)
        self._counts: Hashes = np.zeros(0, np.int64)
        self._new: list[tuple[Hashes, Hashes]] = []
        self._waiting = 0
        self._names: dict[int, str] = {}
        self._spellings: dict[str, str] = {}

    def add(self, ids: pa.Array) -> Hashes:
        """Count ids (text; null for none), and return the hash of each, 0 for null."""
        encoded = pc.dictionary_encode(ids)
        words: list[str] = encoded.dictionary.to_pylist()
        if not words:
            return np.zeros(len(ids), np.int64)
        hashes = np.fromiter(map(hash, words), np.int64, len(words))
        known = np.asarray(pc.is_valid(encoded.indices).to_numpy(zero_copy_only=False), np.bool_)
        indices = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)
        counts = np.bincount(indices[known], minlength=len(words)).astype(np.int64)
        self.rows += int(known.sum())
        self._new.append((hashes, counts))
        self._waiting += len(hashes)
        for index in np.flatnonzero(counts > max(1, _HEAVY * len(ids))).tolist():
            self._names[int(hashes[index])] = words[index]
        self._look_for_variants(words)
        self._measure(encoded.dictionary)
        if self._waiting > _COMPACT:
            self._compact()
        return np.where(known, hashes[indices], 0)

    @property
    def distinct(self) -> int:
        """Number of different ids."""
        self._compact()
        return len(self._hashes)

    @property
    def hashes(self) -> Hashes:
        """Hashes of the ids, ascending."""
        self._compact()
        return self._hashes

    def heaviest(self) -> tuple[str, int] | None:
        """The id with the most rows; None if no id has many."""
        self._compact()
        if not self._names:
            return None
        names = np.array(sorted(self._names), np.int64)
        counts = self._counts[np.searchsorted(self._hashes, names)]
        best = int(np.argmax(counts))
        return self._names[int(names[best])], int(counts[best])

    def alike(self, word: str) -> str | None:
        """An id that differs from this one only in capital letters or leading zeros, if it was among the first."""
        return self._spellings.get(_spelling(word))

    def single(self) -> int:
        """Number of ids with one row."""
        self._compact()
        return int((self._counts == 1).sum())

    def _measure(self, words: pa.Array) -> None:
        self.example = self.example or words[0].as_py()
        if not self._are_numbers:
            return
        try:
            found = pc.min_max(words.cast(pa.int64())).as_py()
        except pa.ArrowInvalid:
            self._are_numbers, self.range = False, None
            return
        low, high = self.range or (found["min"], found["max"])
        self.range = min(low, found["min"]), max(high, found["max"])

    def _look_for_variants(self, words: list[str]) -> None:
        if len(self._spellings) > _VARIANTS:
            return
        for word in words:
            first = self._spellings.setdefault(_spelling(word), word)
            if first != word and self.variants < _VARIANTS:
                self.variants += 1
                self.variant_example = self.variant_example or (first, word)

    def _compact(self) -> None:
        if not self._new:
            return
        hashes = np.concatenate([self._hashes, *(new for new, _ in self._new)])
        counts = np.concatenate([self._counts, *(new for _, new in self._new)])
        order = np.argsort(hashes, kind="stable")
        hashes, counts = hashes[order], counts[order]
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
        self._hashes, self._counts = hashes[starts], np.add.reduceat(counts, starts)
        self._new, self._waiting = [], 0


def _spelling(word: str) -> str:
    return word.casefold().lstrip("0") or word


class NumberCounts:
    """Range of numbers, and how often each occurs while they are few."""

    def __init__(self) -> None:
        self.known = 0
        self.low = np.inf
        self.high = -np.inf
        self.values: Counter[float] | None = Counter()
        """None if there are too many different ones."""

    def add(self, numbers: npt.NDArray[np.float64]) -> None:
        """Count numbers; NaN for none."""
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return
        self.known += len(numbers)
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        if self.values is not None:
            distinct, counts = np.unique(numbers, return_counts=True)
            if len(distinct) + len(self.values) > _MOST_VALUES:
                self.values = None
            else:
                self.values.update(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))


class Repetitions:
    """How many rows are the same as an earlier one, exact for a few million rows, estimated from a share of more."""

    def __init__(self) -> None:
        self._kept: list[npt.NDArray[np.uint64]] = []
        self._size = 0
        self._share = 1

    def add(self, keys: list[Hashes]) -> None:
        """Add rows by the hashes of their parts."""
        mixed = np.zeros(len(keys[0]), np.uint64)
        for key in keys:
            mixed = (mixed ^ key.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        self._keep(mixed)
        while self._size > _KEPT:
            self._share *= 4
            kept, self._kept, self._size = self._kept, [], 0
            for each in kept:
                self._keep(each)

    def _keep(self, mixed: npt.NDArray[np.uint64]) -> None:
        kept = mixed[mixed % np.uint64(self._share) == 0]
        self._kept.append(kept)
        self._size += len(kept)

    @property
    def exact(self) -> bool:
        """Whether all rows were compared."""
        return self._share == 1

    def count(self) -> int:
        """Rows that repeat an earlier one."""
        if not self._kept:
            return 0
        rows = np.sort(np.concatenate(self._kept))
        return int((rows[1:] == rows[:-1]).sum()) * self._share
