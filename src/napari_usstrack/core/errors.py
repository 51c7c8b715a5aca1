"""The one exception that reaches a user as a sentence."""

from __future__ import annotations


class UsstrackError(Exception):
    """Input that cannot be used.

    The message is one sentence that names the file or value, the problem and
    the remedy. The command line prints it and exits with 1; the dock shows it
    as a notification. A missing full stop is added.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence if sentence.endswith((".", "?", "!")) else f"{sentence}.")


class EditConflictError(UsstrackError):
    """An edit meets annotations other than those it was made for."""
