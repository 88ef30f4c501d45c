"""Names of the tables in an ingested version, beside those of `numbering`."""

from typing import Final

INTERACTIONS_FOLDER: Final = "interactions"
ITEMS_FOLDER: Final = "items"
USERS_FOLDER: Final = "users"
"""Attributes of users, where the source has any."""
HELD_OUT_FOLDER: Final = "held_out"
NEGATIVES_FOLDER: Final = "negatives"
