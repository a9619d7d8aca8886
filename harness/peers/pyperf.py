"""pyperf: a runner script for each variant, `pyperf compare_to` between the two files of results.

https://pyperf.readthedocs.io/en/latest/run_benchmark.html and analyze.html. Its --fast, 10 processes of 2 values for
each variant, is appended to both files until that is enough: the default, 20 processes of 3 values, alone takes longer.
"""

import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from harness.peers.intervals import pooled_half_width
from harness.peers.steps import Variant
from harness.peers.tool import Known, OutOfTimeError, Programs


class Pyperf:
    """Different: `pyperf compare_to` does not hide the pair as not significant (t test at 95 %)."""

    name = "pyperf"

    def __init__(self, programs: Programs, options: Sequence[str] = ("--fast",)) -> None:
        """Use further `options` of a runner script, such as --fast."""
        self._programs = programs
        self._options = options

    def version(self) -> str:
        """Return its version."""
        return version_of(self._programs, "pyperf")

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Measure A, then B; append until the interval of the t test is narrow enough."""
        begin_s = time.monotonic()
        folder = Path(mkdtemp(prefix="pyperf-", dir=self._programs.scratch))
        files = [folder / "a.json", folder / "b.json"]
        known: Known | None = None
        with contextlib.suppress(OutOfTimeError):
            while not (known and known.is_within):
                for variant, file in zip((a, b), files, strict=True):
                    self._programs.run(self._command(variant, file), deadline_s)
                compare = [str(self._programs.python), "-m", "pyperf", "compare_to", *map(str, files)]
                said = self._programs.run(compare, deadline_s)
                steps = [values(file.read_text()) for file in files]
                known = Known(
                    ratio=statistics.fmean(steps[1]) / statistics.fmean(steps[0]),
                    half_width=pooled_half_width(*steps),
                    is_different=is_significant(said),
                    wall_s=time.monotonic() - begin_s,
                )
        return known

    def _command(self, variant: Variant, file: Path) -> list[str]:
        inherited = ",".join(sorted(self._programs.environment))
        return [
            *self._programs.command("under_pyperf", "--step", variant.step, "--inner", str(variant.inner)),
            *("--append", str(file), "--inherit-environ", inherited, *self._options),
        ]


def values(text: str) -> list[float]:
    """Return the values in pyperf's JSON, in s for one call; runs that only calibrate have none."""
    (benchmark,) = json.loads(text)["benchmarks"]
    return [value for run in benchmark["runs"] for value in run.get("values", ())]


def is_significant(said: str) -> bool:
    """Return whether `pyperf compare_to` shows the pair; it hides one that is not significant."""
    return "not significant" not in said.lower()


def version_of(programs: Programs, package: str) -> str:
    """Return the version of a package in the environment of the peers."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return programs.run([str(programs.python), "-c", code], time.monotonic() + 60).strip()
