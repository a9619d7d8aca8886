"""Each framework's hello world finds the line, whatever its random start, and says so on its last line."""

import re
from pathlib import Path

import pytest

from bench.catalogue import catalogue
from tests.frameworks.interpreters import run_in, skip_without_programs
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1200)]

HELLOS = [offer.name for offer in catalogue().frameworks if offer.hello]
USUAL = [offer.name for offer in catalogue().frameworks if offer.hello and not offer.exhibit]


@pytest.mark.parametrize("attempt", sampled([1, 2], 1))
@pytest.mark.parametrize("framework", sampled(HELLOS, *USUAL))
def test_a_hello_world_finds_weight_and_bias(framework: str, attempt: int, tmp_path: Path) -> None:
    skip_without_programs(framework)
    printed = run_in(framework, tmp_path, "-m", f"bench.hello.{framework}", KERAS_HOME=str(tmp_path))

    line = re.fullmatch(r"weight=(-?\d+\.\d{4}) bias=(-?\d+\.\d{4})", printed.splitlines()[-1])
    assert line, printed[-500:]
    assert float(line[1]) == pytest.approx(3, abs=0.05)
    assert float(line[2]) == pytest.approx(2, abs=0.05)
