"""The base of every error that a person can mend: its message says what was wrong, where, and what to do."""


class UserError(Exception):
    """Shown without a trace by the command line."""
