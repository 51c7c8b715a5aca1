"""One program at a time may change a project; others look on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout


class ProjectLock:
    """The right to save a project, held until released or the program ends.

    Parameters
    ----------
    project : str or Path
        The project's ``.json`` file; the lock file lies beside it.

    Attributes
    ----------
    path : Path
        The lock file.
    reason : str
        Why the project is read-only, one sentence; empty while owned.
    """

    def __init__(self, project: str | Path) -> None:
        self.path = Path(project).with_suffix(".lock")
        self.reason = ""
        self._lock = FileLock(str(self.path), timeout=0, thread_local=False)

    @property
    def owned(self) -> bool:
        """Whether this program may save."""
        return self._lock.is_locked

    def acquire(self) -> bool:
        """Try once to own the project; on failure `reason` says why not."""
        if self.owned:
            return True
        self.reason = ""
        try:
            if not self.path.parent.is_dir():
                raise NotADirectoryError(0, "it does not exist")
            self._lock.acquire()
        except Timeout:
            self.reason = (
                f"{self._name} is open in another window, so it is read-only here; "
                "close the other one to save."
            )
        except (OSError, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or error
            self.reason = (
                f"{self._name} is read-only because its folder cannot be written ({why}); "
                "save in another folder."
            )
        return self.owned

    def release(self) -> None:
        """Let others save; the lock file goes."""
        if self.owned and os.name == "posix":
            with suppress(OSError):
                self.path.unlink()
        self._lock.release(force=True)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def _name(self) -> str:
        return self.path.with_suffix(".json").name
