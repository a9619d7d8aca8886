"""The lock of a folder: one process holds it, and it ends with that process, however that ends.

The lock is flock(2) on an open file. Its owner removes the file before it lets go; who gets a lock on a file that has
been removed meanwhile tries again with the new one. So there is never a second owner, and a killed owner leaves nothing
that has to be removed by hand.
"""

import contextlib
import fcntl
import logging
import os
from pathlib import Path
from typing import IO, Final

NAME: Final = ".lock"


class Lock:
    """A lock of one folder, free at first."""

    def __init__(self, folder: Path) -> None:
        """Take the folder to lock."""
        self._path = folder / NAME
        self._held: IO[str] | None = None

    def take(self) -> bool:
        """Take the lock; return False when another process has it.

        On a file system without locks a warning is said, and the lock counts as taken.

        Raises:
            OSError: the folder cannot be written.
        """
        while self._held is None:
            file = self._path.open("a", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            except OSError as error:
                logging.getLogger(__name__).warning(
                    "samestep: %s: this file system has no locks (%s): let only one samestep run there.",
                    self._path.parent,
                    error.strerror,
                )
                self._held = file
                return True
            if self._is_on_disk(file):
                self._held = file
            else:  # its owner has let go in between
                file.close()
        return True

    def free(self) -> None:
        """Let go; safe to call twice."""
        if self._held is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._held.close()
        self._held = None

    def _is_on_disk(self, file: IO[str]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False
