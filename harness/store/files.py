"""Files that a reader finds as they were or as they are, never half of them, however many write them at once."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def complete_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a new path beside `path` to write to; the file gets the name `path` when it is complete.

    Args:
        path: the file to make or to replace.
        durable: it is on the disk before it gets its name.

    Raises:
        OSError: it cannot be written; a file that was at `path` stays as it was.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}.new")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
