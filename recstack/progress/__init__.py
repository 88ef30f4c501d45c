"""What is being done, and how far it is: a live line in a terminal, else a printed line at least every 30 s."""

from recstack.progress.step import Step, track, working

__all__ = ["Step", "track", "working"]
