"""Tells a waiting user what is being done and how far it is: a live line in a terminal, else a line every 30 s."""

from recstack.progress.step import Step, say, track, working

__all__ = ["Step", "say", "track", "working"]
