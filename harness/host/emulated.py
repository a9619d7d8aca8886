"""Whether a GPU is the stand-in of the tests (`tests/emulated`), whose figures are not real.

The stand-in has the word in everything that it says of itself: the driver's version, the model, the UUID. A run keeps
these as it was told them, in its facts and in each record, so no report of it can be made without them. Where the
library was loaded from says nothing: each distribution has another place for it (decision 33).
"""

from collections.abc import Iterable
from typing import Final

WORD: Final = "emulated"  # no driver or GPU of NVIDIA's has it in its name
CAVEAT: Final = "Emulated GPU: the figures are not real."


def caveat(said: Iterable[str]) -> str:
    """Return what has to stand beside every figure of a GPU that said this of itself; empty: it is a real one."""
    return CAVEAT if any(WORD in text.lower() for text in said) else ""
