"""What a chart is: its words, its drawings for a wide and a narrow page, and the specification of a live one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Spec = Mapping[str, Any]  # a Vega-Lite specification: nothing but what JSON has


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart of the page."""

    name: str  # distinct within a page: the first part says its kind ("steps"), a number follows from the second on
    title: str
    about: str  # how to read it
    spec: Spec | None  # of a live chart, whose data source is named "cells" and empty; None: it is only drawn ahead
    svg: str  # empty: it could not be drawn, and `about` says why
    narrow_svg: str = ""  # the same for a narrow page, whose text stays legible there; empty: `svg` scrolls
    narrow_spec: Spec | None = None  # of the live chart on a narrow page
