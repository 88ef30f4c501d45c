"""Units and marks of time, written once."""

from typing import Final

DAY: Final = 86_400
"""Seconds."""

TIMELESS: Final = 86_400
"""Epoch second (1970-01-02) at which features of data without timestamps count as known: before any request."""
