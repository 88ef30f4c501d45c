"""TorchServe from outside: its REST client, its embedded start, and what its workers log."""
