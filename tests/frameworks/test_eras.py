"""The frameworks of the past train as float64 does, in the interpreters of their time, and prove what they ran.

In CI three run, of three interpreters; what has none here is skipped, with the sentence that says how to get it.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from bench.catalogue import catalogue
from harness.environments.checkout import ROOT
from tests.frameworks.interpreters import run_in, skip_without_programs
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

OFFERS: Final = {offer.name: offer for offer in catalogue().frameworks if offer.exhibit}
CELLS: Final = [(name, mode.name) for name, offer in OFFERS.items() for mode in offer.modes]
# 2.7, 3.7 and 3.8; the lightest of each.
ONE_EACH: Final = [("chainer", "define-by-run"), ("tensorflow0", "session"), ("tensorflow1", "session")]
TOLERANCE: Final = 1e-4


def gate(scratch: Path, *cell: str) -> dict[str, Any]:
    script = ROOT / "tests" / "frameworks" / "check_era.py"
    printed = run_in(cell[0], scratch, str(script), *cell)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize(("framework", "mode"), sampled(CELLS, *(cell for cell in ONE_EACH if cell in CELLS)))
def test_a_framework_of_the_past_follows_its_formula_and_no_other(framework: str, mode: str, tmp_path: Path) -> None:
    skip_without_programs(framework)
    found = gate(tmp_path, framework, mode)
    for optimizer in ("adam", "sgd"):
        assert found[optimizer]["loss_deviation"] <= TOLERANCE
        assert found[optimizer]["parameter_deviation"] <= TOLERANCE
        assert found[optimizer]["repeats"], "the same bits after 200 steps more and a reset"
        proof = found[optimizer]["proof"]
        assert (proof["mode"], proof["device"], proof["precision"]) == (mode, "cpu", "float32")
        assert proof["evidence"]
    followed = [name for name, deviation in found["fits"].items() if deviation <= TOLERANCE]
    assert followed == [found["formula"]]
    assert "rate is wrong" in found["planted"]
    assert OFFERS[framework].period == "today" or any(version.startswith("python==") for version in found["versions"])
