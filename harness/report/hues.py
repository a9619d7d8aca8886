"""The hues of the frameworks: CSS variables of the page."""

from typing import Final

from harness.validity.results import Run
from harness.validity.variants import variants

HUES: Final = tuple(f"var(--hue-{number})" for number in range(1, 12))  # by position of the framework in the run


def hue_number(index: int) -> int:
    """Return the number, from 1, of the hue of the framework at `index` in the run; hues repeat after the last."""
    return index % len(HUES) + 1


def hue_numbers(run: Run) -> dict[str, int]:
    """Return the number of each framework's CSS variable, by its name; of its variants the same, as "jax@0.9.2"."""
    names = variants(run)
    return {
        f"{facts.name}@{name}" if name else facts.name: hue_number(index)
        for index, facts in enumerate(run.facts.frameworks)
        for name in ("", *names.get(facts.name, ()))
    }
