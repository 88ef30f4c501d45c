"""Candidate sources: each scores items in one simple way; the ranker of `fusion` combines them."""
