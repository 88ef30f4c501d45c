"""Forgets users who ask for it: takes them out of everything that recstack keeps."""
