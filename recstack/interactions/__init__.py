"""Ratings and items from any source, brought to one contract."""
