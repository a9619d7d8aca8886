"""Where the folders of the turns are made on this host: in a temporary folder in which compilers and caches work.

torch.compile, XLA and others write sources, libraries and caches below it, and hand its path to a compiler. A path with
a space, a file system from which nothing may be loaded, or a full one fails there with a compiler's words.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

LEAST_FREE_BYTES: Final = 512 << 20  # a precompiled header of PyTorch alone has 200 MB
OTHERS: Final = (Path("/tmp"), Path("/var/tmp"))
SAFE: Final = re.compile(r"[\w./+@~^=-]+", re.ASCII)  # compilers and their drivers split or expand others


def temporary() -> Path:
    """Return the temporary folder of this process: TMPDIR, or the system's."""
    return Path(tempfile.gettempdir()).absolute()


def is_safe(folder: Path) -> bool:
    """Return whether compilers take the name of a folder as one word."""
    return bool(SAFE.fullmatch(str(folder)))


def fault(folder: Path) -> str:
    """Return why nothing can be compiled below `folder`; empty: it can."""
    text = str(folder)
    try:
        text.encode()
        flags, free = os.statvfs(folder).f_flag, shutil.disk_usage(folder).free
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except OSError as error:
        return error.strerror or str(error)
    if not is_safe(folder):
        bad = next(character for character in text if not SAFE.fullmatch(character))
        return f"its path has {'a space' if bad == ' ' else repr(bad)}, which compilers do not take"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "it cannot be written"
    if flags & os.ST_NOEXEC:
        return "it is mounted noexec, so nothing that is compiled there can be loaded"
    if free < LEAST_FREE_BYTES:
        return f"only {free >> 20} MiB are free there, {LEAST_FREE_BYTES >> 20} are needed"
    return ""


def better(others: Sequence[Path] = OTHERS) -> Path | None:
    """Return another folder that has no fault; None: there is none."""
    return next((folder for folder in others if folder.is_dir() and not fault(folder)), None)


def choose(say: Callable[[str], None], others: Sequence[Path] = OTHERS) -> Path:
    """Return where the folders of the turns are to be made; `say` gets why it is not the temporary folder."""
    folder = temporary()
    if not (wrong := fault(folder)):
        return folder
    other = better(others)
    if other is None:
        say(f"The temporary folder {folder} is kept, although modes that compile may fail: {wrong}.")
        return folder
    say(f"Replicates use {other}, not the temporary folder {folder}: {wrong}.")
    return other


def quietly() -> Path:
    """Return the folder of `choose`, without a word."""
    return choose(lambda line: None)
