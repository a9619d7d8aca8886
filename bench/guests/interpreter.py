"""Guests in an older Python: where their interpreter is, and how it is started. Standard library only.

The environment of such a framework is two: one for `bench`, and in its folder `guest` one for the framework, with an
interpreter of its own (`harness.environments.guests`).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.guests.host import Guest, GuestError

FOLDER: Final = "guest"  # in the environment
PROGRAMS: Final = Path(__file__).with_name("eras")
SERVER: Final = "serve.py"
# What is set for the Python of this process, and what a venv would not need: an interpreter without one gets it here.
OF_PYTHON: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONUNBUFFERED", "VIRTUAL_ENV")


def start(program: str, name: str, environment: Path = Path(sys.prefix)) -> Guest:
    """Start a program of the eras in the interpreter of `environment`.

    Raises:
        GuestError: there is no interpreter, or the guest does not start.
    """
    if not (environment / FOLDER / "bin" / "python").exists():
        raise GuestError(f"{name} has no interpreter at {FOLDER}/bin/python in its environment")
    command, variables = python(environment)
    return Guest((*command, str(PROGRAMS / SERVER), program), name, variables)


def python(environment: Path) -> tuple[Sequence[str], dict[str, str]]:
    """Return the command of the older Python in `environment`, and the variables that it is started with."""
    folder = environment / FOLDER
    # unbuffered: what a guest prints as it dies are its last words
    command = [str(folder / "bin" / "python"), "-u"]
    variables = {name: value for name, value in os.environ.items() if name not in OF_PYTHON}
    if not (folder / "pyvenv.cfg").is_file():  # a Python without venv: nothing of the interpreter's own packages
        command += ["-S", "-s"]
        variables["PYTHONPATH"] = os.pathsep.join(map(str, folder.glob("lib/python*/site-packages")))
    return command, variables
