"""Feast's Redis store, a column at a time: the same bytes in Redis, written and read without an object per value."""
