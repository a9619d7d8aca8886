"""A Matplotlib figure as an SVG element that takes its colours and its font from the page.

Each figure is drawn once, in placeholder colours. CSS variables then replace these, so the same drawing works in light
mode, in dark mode and on paper. Text stays text: a screen reader reads it, a reader can search and copy it, and the
file stays small. The hues were chosen by a search: in both themes any two are far from each other in OKLab (Ottosson
2020), also for deuteranopes and protanopes (Machado et al. 2009), and have enough contrast to the background. A test
checks it.
"""

import io
import re
from collections.abc import Callable, Mapping
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.report.hues import HUES

# Placeholder colours, and the CSS variables of templates/style.css that replace them
INK, QUIET, GRID, BACKGROUND = "#010101", "#020202", "#030303", "#040404"
VARIABLES: Final[Mapping[str, str]] = {
    INK: "--ink",
    QUIET: "--quiet",
    GRID: "--line",
    BACKGROUND: "--ground",
    **{hue: f"--hue-{number}" for number, hue in enumerate(HUES, start=1)},
}


def _size_only(font: re.Match[str]) -> str:
    return f"font-size: {font[1]}"


def _two_decimals(tag: re.Match[str]) -> str:
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", tag[0])


# Patterns to remove or shorten, which the page does not need: metadata, styles, repeated ids, too many digits
CLEANING: Final[tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]] = (
    (r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->|<defs>\s*</defs>", ""),
    (r'(<g) id="[^"]*"', r"\1"),
    (r"font: ([0-9.]+px) [^;\"]*", _size_only),
    (r"font: italic ([0-9.]+px) [^;\"]*", r"font-style: italic; font-size: \1"),
    (r"font: ([0-9]+) ([0-9.]+px) [^;\"]*", r"font-weight: \1; font-size: \2"),
    (r"font-family: [^;\"]*;? ?", ""),
    (r' transform="rotate\(-0 [^"]*\)"', ""),
    (r"<[^>]*>", _two_decimals),
    (r"\s*\n\s*", "\n"),
)


def to_svg(figure: Figure, name: str, label: str) -> str:
    """Return `figure` as one SVG element with `label` for screen readers; its ids depend only on `name`."""
    text = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata, backend="svg")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', svg)
    inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    for pattern, replacement in CLEANING:
        inner = re.sub(pattern, replacement, inner, flags=re.DOTALL)
    for placeholder, variable in VARIABLES.items():
        inner = inner.replace(placeholder, f"var({variable})")
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} {box[0] if box else ""} role="img" aria-label="{label}">{inner}</svg>'
