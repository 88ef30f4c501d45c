"""recstack: from a log of ratings to a recommender that is running, watched and safe to change."""

__version__ = "0.1.0"
