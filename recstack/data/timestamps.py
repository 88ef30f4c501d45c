"""Units and marks of time, written once."""

from datetime import timedelta
from typing import Final

DAY: Final = 86_400
"""Seconds."""

TIMELESS: Final = 86_400
"""Epoch second (1970-01-02) at which features of data without timestamps count as known: before any request."""

UNKNOWN_SECONDS: Final = (0, -1, -2_208_988_800)
"""Epoch seconds that stand for "unknown": the second at which clocks begin, the error code of C's `mktime`, and the
midnight of 1900-01-01 at which calendars of spreadsheets and of SQL Server begin."""

UNKNOWN_DAYS: Final = ("0001-01-01", "9999-12-31")
"""Days (UTC) that do: the first and the last that databases know."""

EARLIEST: Final = -4_102_444_800
"""Epoch second of 1840-01-01: no log is older."""

MOST_AHEAD: Final = timedelta(days=1)
"""How far after its ingest an interaction may lie: clocks and time zones differ by so much."""
