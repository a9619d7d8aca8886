"""The plots of a report, one module each.

Matplotlib reads settings when it is imported: a `matplotlibrc` of the working folder, one of the user, variables. A
report has to look the same everywhere, so Matplotlib is imported with the `matplotlibrc` of this folder alone.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARIABLES: Final = ("MPLBACKEND", "MATPLOTLIBRC")


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """Work in this folder, without the variables that Matplotlib reads; afterwards as before."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    with contextlib.ExitStack() as afterwards:
        afterwards.callback(os.environ.update, kept)
        with contextlib.suppress(OSError):  # without a folder to go back to, there is none whose file would be read
            before = os.open(".", os.O_RDONLY)  # not its path, which it has no longer when it was deleted
            afterwards.callback(os.close, before)
            os.chdir(Path(__file__).parent)
            afterwards.callback(os.fchdir, before)
        yield


if "matplotlib" not in sys.modules:
    with _own_settings():
        importlib.import_module("matplotlib")
