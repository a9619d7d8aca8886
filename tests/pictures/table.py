"""The pictures of README.md and docs/: which run each shows, and which part of its page.

A picture that another run shall show is a row changed here, then `make pictures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.environments.checkout import ROOT

PUBLISHED: Final = ROOT / "results" / "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, a part of the page of one run."""

    path: str  # of the PNG, from the root of the checkout
    run: str  # the folder of its run in PUBLISHED
    first: str = ""  # CSS selector of the element that it begins with; empty: the top of the page
    last: str  # CSS selector of the element that it ends with
    width_px: int = 1400
    most_px: int  # of its height: what is taller is cut


PICTURES: Final = (
    Picture(path="docs/report.png", run="20261129-cpu-default", last="#overview .matrix", most_px=1800),
    Picture(
        path="docs/inference.png", run="20261130-cpu-inference", first="#overview", last="#overview .matrix",
        width_px=1080,
        most_px=1000,
    ),
    Picture(
        path="docs/variants.png", run="20261130-cpu-variants", first="#variants > h2", last='[data-chart="variants"]',
        width_px=1080,
        most_px=900,
    ),
    Picture(
        path="docs/eras.png", run="20261130-cpu-eras", first="#eras > h2", last='#eras [data-chart]', width_px=1080,
        most_px=1200,
    ),
    Picture(
        path="docs/scaling.png", run="20261130-cpu-ranks", first="#scaling > h2", last='#scaling [data-chart]',
        width_px=1080,
        most_px=900,
    ),
)  # fmt: skip
# Those that come from no run: by path, what they are drawn from.
BY_HAND: Final[Mapping[str, str]] = {"docs/floors.svg": "the floors of tests/test_order.py"}
