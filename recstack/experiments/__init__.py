"""What `recstack evaluate` and `recstack tune` do: models compared and tuned on data of a user."""
