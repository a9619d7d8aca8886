"""A bisection from the index to the answer: real wheels, environments and runs, over a library of six versions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import planted_library as planted
from tests.copies import run

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

OPTIONS = ("--mode", "loop", "--launcher", "venv", "--profile", "look", "--measure", "bits")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The toy with its library: 1.2 cannot be resolved, 1.3 does not run, and since 1.4 the bits are others."""
    wheels = tmp_path_factory.mktemp("wheels")
    for number in range(6):
        source = planted.OTHER_BITS if number >= 4 else planted.BROKEN if number == 3 else planted.PLAIN
        planted.wheel(wheels, f"1.{number}", source, requires="toyarith==9" if number == 2 else "")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in planted.variables(wheels).items():
            patch.setenv(name, value)
        yield planted.checkout(tmp_path_factory.mktemp("bisect") / "samestep", "1.0")


def test_the_version_that_changes_the_bits_is_named(checkout: Path) -> None:
    printed = run(checkout, "-m", "harness", "bisect", "toy", "1.0", "1.5", *OPTIONS)

    assert "toyarith 1.1 → 1.4: other bits" in printed
    assert re.search(r"Between them, not measured: 1\.2: .*; 1\.3: .*built wrongly", printed)
    assert "So the change came with one of 1.2, 1.3 and 1.4." in printed
    (folder,) = (checkout / "results").glob("*-bisect-toy")
    kept = json.loads((folder / "bisect.json").read_text())
    assert kept["versions"] == [f"1.{number}" for number in range(6)]
    assert len(kept["measurements"]) <= 2
    assert (kept["outcome"]["older"], kept["outcome"]["newer"], kept["outcome"]["changed"]) == ("1.1", "1.4", [])
    again = run(checkout, "-m", "harness", "bisect", "--resume", folder.name)
    assert set(again.splitlines()) <= set(printed.splitlines())
    assert len(again.splitlines()) < len(printed.splitlines())


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        (("1.0", "1.7"), "toyarith 1.7 was not published. The nearest: 1.4, 1.5."),
        (("1.0", "1.2"), "toyarith 1.2, an end of the bisection, cannot be measured: "),
    ],
)
def test_an_end_that_cannot_be_had_leaves_nothing(checkout: Path, ends: tuple[str, str], sentence: str) -> None:
    before = sorted((checkout / "results").glob("*"))
    printed = run(checkout, "-m", "harness", "bisect", "toy", *ends, *OPTIONS, code=1)
    assert printed.startswith(f"samestep: {sentence}")
    assert len(printed.strip().splitlines()) == 1
    assert sorted((checkout / "results").glob("*")) == before
