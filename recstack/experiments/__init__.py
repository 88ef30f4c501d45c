"""Compares and tunes models on a user's data: `recstack evaluate` and `recstack tune`."""
