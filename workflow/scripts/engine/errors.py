"""Errors that the user can correct."""


class UserError(Exception):
    """One sentence that says what is wrong, where, and what to do; it is shown without a traceback."""
