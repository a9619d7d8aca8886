"""The hues of the frameworks: told from each other by eyes of every kind, in both themes."""

import itertools
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from harness import report
from harness.report.charts.colours import COLOURS
from harness.report.hues import HUES, hue_number
from tests.harness.report.example import example

CSS = (Path(report.__file__).parent / "exporters" / "templates" / "style.css").read_text(encoding="utf-8")


def test_the_page_has_a_variable_for_each_colour_in_light_and_in_dark() -> None:
    names = [colour.removeprefix("var(").removesuffix(")") for colour in COLOURS]
    assert {name: CSS.count(f"{name}:") for name in names} == dict.fromkeys(names, 2)


def test_the_whole_matrix_has_a_hue_for_each_framework() -> None:
    numbers = [hue_number(place) for place in range(len(example().facts.frameworks))]
    assert len(set(numbers)) == len(numbers) == 11


class TestHues:
    """In each theme any two differ, for eyes of every kind, and each has contrast to the background."""

    EYES: ClassVar = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }

    def linear(self, name: str, theme: int) -> np.ndarray:  # shape (3,)
        value = re.findall(rf"--{name}: #([0-9a-f]{{6}});", CSS)[theme]
        rgb = np.array([int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)])
        linear: np.ndarray = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear

    @pytest.mark.parametrize("theme", [0, 1])
    @pytest.mark.parametrize(("eyes", "least"), [("normal", 0.14), ("protan", 0.08), ("deutan", 0.08)])
    def test_differ_in_oklab(self, eyes: str, least: float, theme: int) -> None:
        seen = [np.array(self.EYES[eyes]) @ self.linear(f"hue-{n}", theme) for n in range(1, len(HUES) + 1)]
        labs = [oklab(np.clip(one, 0, 1)) for one in seen]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(labs, 2)) >= least

    @pytest.mark.parametrize("theme", [0, 1])
    def test_have_contrast_to_the_background(self, theme: int) -> None:
        weights = np.array([0.2126, 0.7152, 0.0722])
        background = float(weights @ self.linear("ground", theme))
        for number in range(1, len(HUES) + 1):
            hue = float(weights @ self.linear(f"hue-{number}", theme))
            assert (max(hue, background) + 0.05) / (min(hue, background) + 0.05) >= 3  # WCAG 2.2, 1.4.11


def oklab(linear: np.ndarray) -> np.ndarray:
    """Björn Ottosson 2020, "A perceptual color space for image processing"; shape (3,)."""
    lms = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear  # fmt: skip
    lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    found: np.ndarray = lab @ np.cbrt(lms)
    return found
