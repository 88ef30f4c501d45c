"""Faster replacements of Feast's Redis store and local engine; `FEAST_STOCK=true` goes back to Feast's.

They read and write the same bytes in Redis, but handle whole columns instead of one protobuf message a value.
"""

from recstack.feature_store.feast_version import require_feast

require_feast()
