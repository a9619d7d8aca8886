"""The colours of the drawings: CSS variables of the page, which differ between light mode, dark mode and paper.

Vega writes the colours of marks and axes into its SVG as they are given, so a drawing takes the theme of its page, live
or drawn ahead. A canvas knows no such variables: a live chart needs Vega's SVG renderer. The hues were chosen by a
search: in both themes any two are far from each other in OKLab (Ottosson 2020), also for deuteranopes and protanopes
(Machado et al. 2009), and have enough contrast to the background. A test checks it.
"""

from typing import Final

from harness.report.hues import HUES

INK: Final = "var(--ink)"
QUIET: Final = "var(--quiet)"
LINE: Final = "var(--line)"
GROUND: Final = "var(--ground)"
WRONG: Final = "var(--wrong)"
NO_HUE: Final = "var(--hue-0)"  # of a framework that the run's facts lack
COLOURS: Final = (INK, QUIET, LINE, GROUND, WRONG, NO_HUE, *HUES)
