"""pytest-benchmark: one test file with both variants, `benchmark(f)` with its own calibration.

https://pytest-benchmark.readthedocs.io/en/latest/comparing.html. It prints minimum, median, deviations and quartiles,
and has no interval and no test of a difference, so whole invocations are repeated. Those who use it in CI let
`--benchmark-compare-fail=median:3%` decide; its limit is held to the first invocation, in both directions.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from harness.environments.checkout import ROOT
from harness.peers.pyperf import version_of
from harness.peers.steps import Variant
from harness.peers.tool import WITHIN, Known, Programs, until_known
from harness.stats.estimate import estimate


class PytestBenchmark:
    """Different: the medians of the first invocation are more than 3 % apart."""

    name = "pytest-benchmark"

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def version(self) -> str:
        """Return its version."""
        return version_of(self._programs, self.name)

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Repeat the invocation until the t interval over the ratios of medians is narrow enough."""
        return until_known(lambda: self._invocation(a, b, deadline_s), repeated)

    def _invocation(self, a: Variant, b: Variant, deadline_s: float) -> float:
        folder = Path(mkdtemp(prefix="pytest-", dir=self._programs.scratch))
        (folder / "pytest.ini").write_text("[pytest]\n")
        command = [str(self._programs.python), "-m", "pytest", str(ROOT / "harness/peers/programs/under_pytest.py")]
        command += ["-c", str(folder / "pytest.ini"), "--rootdir", str(folder), "-p", "no:cacheprovider"]
        command += ["--import-mode=importlib", "--benchmark-json", str(folder / "results.json")]
        self._programs.run(command, deadline_s, STEP=a.step, A=str(a.inner), B=str(b.inner))
        one, other = medians((folder / "results.json").read_text())
        return other / one


def medians(text: str) -> tuple[float, float]:
    """Return the medians of A and B in s, from pytest-benchmark's JSON."""
    found = {each["params"]["variant"]: each["stats"]["median"] for each in json.loads(text)["benchmarks"]}
    return found["A"], found["B"]


def repeated(ratios: Sequence[float], wall_s: float) -> Known:
    """Return what repeated invocations say together; one alone has no interval."""
    found = estimate(ratios)
    half_width = found.half_width
    return Known(
        ratio=found.value,
        half_width=float("inf") if half_width is None else half_width,
        is_different=max(ratios[0], 1 / ratios[0]) > 1 + WITHIN,
        wall_s=wall_s,
    )
