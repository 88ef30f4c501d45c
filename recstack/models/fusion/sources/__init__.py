"""Candidate sources: each says in its own way which items may come next; `models.fusion` weighs what they say."""
