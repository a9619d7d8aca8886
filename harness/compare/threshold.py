"""The threshold of `samestep compare` as typed: a percentage such as 10%, or a ratio of times such as 1.1."""

import math
import re
from typing import Final

from harness.errors import SelectionError

NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
LARGEST_RATIO: Final = 2.0  # a larger number without % is more likely a percentage without its sign


def parsed(typed: str) -> float:
    """Return the relative difference in `typed`: 0.1 for "10%" and for "1.1".

    Raises:
        SelectionError: it is neither a percentage with its sign nor a ratio from 1 to 2.
    """
    percentage = re.fullmatch(rf"({NUMBER}) ?%", typed.strip())
    if percentage and math.isfinite(value := float(percentage[1])):
        return value / 100
    if re.fullmatch(NUMBER, typed.strip()) and 1 <= float(typed) <= LARGEST_RATIO:
        return float(typed) - 1
    raise SelectionError(
        f"The threshold {typed!r} is neither a percentage with its sign, such as 10%,"
        f" nor a ratio of times from 1 to {LARGEST_RATIO:g}, such as 1.1."
    )
