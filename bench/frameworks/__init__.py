"""The frameworks: one module each, listed nowhere else. A file whose name opens with "_" is shared by several.

Nothing is imported here, so that a host without any framework can list them all.
"""

from pathlib import Path
from typing import Final

FRAMEWORKS: Final = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))
