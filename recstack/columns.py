"""Every column name of recstack's tables, written once."""

from typing import Final

# Interactions: one rating of one item by one user.
USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
RATING: Final = "rating"
TIMESTAMP: Final = "timestamp"
SPLIT: Final = "split"

# The id of a user or an item in the source, where it is a word.
ORIGINAL_ID: Final = "original_id"

# Items: the catalogue.
TITLE: Final = "title"
GENRES: Final = "genres"
YEAR: Final = "year"
TYPE: Final = "type"
EPISODES: Final = "episodes"
MEAN_SCORE: Final = "mean_score"

# Feature tables: the time from which a row's values are known.
EVENT_TIMESTAMP: Final = "event_timestamp"

# User features.
GENRE_PROFILE: Final = "genre_profile"
RATING_COUNT: Final = "rating_count"
RATING_MEAN: Final = "rating_mean"
RATING_RANGE: Final = "rating_range"
LAST_INTERACTION: Final = "last_interaction"
FREQUENCY: Final = "frequency"
INTENSITY: Final = "intensity"
RECENT_ITEMS: Final = "recent_items"
RECENT_RATINGS: Final = "recent_ratings"
SEEN_ITEMS: Final = "seen_items"
SEEN_RATINGS: Final = "seen_ratings"

# Item features (beside YEAR, TYPE, EPISODES and MEAN_SCORE).
GENRE_INDICES: Final = "genre_indices"
POPULARITY_7D: Final = "popularity_7d"
POPULARITY_30D: Final = "popularity_30d"
POPULARITY_ALL: Final = "popularity_all"
