"""Files that the kernel is asked to forget before a cold start is measured. It may slow others that read them."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from bench.data.dataset import drop_from_page_cache


def empty(folders: Iterable[Path]) -> int:
    """Ask the kernel to forget every file under `folders`, as any user may; return how many files.

    It keeps what another process has mapped. Files that cannot be opened are left out.
    """
    count = 0
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    drop_from_page_cache([Path(parent, name)])
                    count += 1
    return count
