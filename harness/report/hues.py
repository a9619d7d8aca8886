"""The hues of the frameworks: CSS variables of the page."""

from typing import Final

HUES: Final = tuple(f"var(--hue-{number})" for number in range(1, 12))  # by position of the framework in the run


def hue_number(index: int) -> int:
    """Return the number, from 1, of the hue of the framework at `index` in the run; hues repeat after the last."""
    return index % len(HUES) + 1
