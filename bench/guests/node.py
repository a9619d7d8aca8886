"""Guests in node: where their programs and their packages are. Standard library only."""

import sys
from pathlib import Path
from typing import Final

from bench.guests.host import Guest

PROGRAM: Final = "node"
MODULES: Final = Path(sys.prefix) / "node_modules"  # of the environment, beside the packages for Python


def start(program: str, name: str) -> Guest:
    """Start a program of this package in node, from the environment's packages; raises GuestError.

    It may collect its garbage when it is told to rest, which node's collector can be asked for with an option only.
    """
    return Guest((PROGRAM, "--expose-gc", str(Path(__file__).with_name(program)), str(MODULES)), name)
