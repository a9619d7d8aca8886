"""The frameworks: one module each, listed nowhere else.

A package or file whose name begins with "_" is a part of frameworks, shared by several or by one that is long.

Nothing is imported here, so that a host without any framework can list them all.
"""

from pathlib import Path
from typing import Final

FRAMEWORKS: Final = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))
