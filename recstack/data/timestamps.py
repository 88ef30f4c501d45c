"""Units and marks of time, written once."""

from datetime import timedelta
from typing import Final

DAY: Final = 86_400
"""Seconds."""

TIMELESS: Final = 86_400
"""Epoch second (1970-01-02) at which features of data without timestamps count as known: before any request."""

UNKNOWN_SECONDS: Final = (0, -1)
"""Epoch seconds that stand for "unknown": the second at which clocks begin, and the error code of C's `mktime`."""

UNKNOWN_DAYS: Final = ("0001-01-01", "9999-12-31")
"""Days (UTC) that do: the first and the last that databases know."""

MOST_AHEAD: Final = timedelta(days=1)
"""How far after its ingest an interaction may lie: clocks and time zones differ by so much."""
