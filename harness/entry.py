"""The installed command `samestep`: the command line, in an interpreter that the caller's variables do not change.

PYTHONPATH of a module system holds packages of another Python, PYTHONOPTIMIZE strips docstrings, PYTHONINSPECT swallows
the exit code. An interpreter has read them when its first line of code runs, so it becomes another one without them.
`python -m harness.cli` does not: whoever types that may mean the PYTHONPATH.
"""

import os
import sys
from typing import Final

KEPT: Final = (
    "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED", "PYTHONUTF8",
    "PYTHON_COLORS", "PYTHON_KEYRING_BACKEND",
)  # fmt: skip


def main() -> None:
    """Run the command line in a clean interpreter: this one, or the one that it becomes."""
    of_python = {name for name in os.environ if name.startswith("PYTHON")}
    misleading = of_python.difference(KEPT)
    if misleading or (of_python and sys.flags.isolated):  # an isolated one ignores those that are to be kept, too
        clean = {name: value for name, value in os.environ.items() if name not in misleading}
        os.execve(sys.executable, [sys.executable, "-s", "-P", *sys.argv], clean)
    from harness.cli import main as command_line

    command_line()
