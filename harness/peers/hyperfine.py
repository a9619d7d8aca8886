"""hyperfine: each variant as a whole command, both in one invocation, `--warmup` as its README shows.

https://github.com/sharkdp/hyperfine. A command makes about a second of steps; starting Python and importing the
framework belongs to its time. The interval is Welch's, as in hyperfine's scripts/welch_ttest.py.
"""

import contextlib
import json
import shlex
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from harness.errors import SetupError
from harness.peers.intervals import quotient_deviation, welch_half_width
from harness.peers.steps import INNER, STEPS, Variant
from harness.peers.tool import Known, OutOfTimeError, Programs

WORK_S: Final = 1.0  # of steps in one command, roughly


class Hyperfine:
    """Different: the printed "ratio ± deviation" of the first invocation leaves out 1."""

    name = "hyperfine"

    def __init__(self, programs: Programs, options: Sequence[str] = ("--warmup", "1")) -> None:
        self._programs = programs
        self._options = options

    def version(self) -> str:
        """Return its version."""
        program = shutil.which("hyperfine")
        if program is None:
            raise SetupError("hyperfine is not installed (Debian, Ubuntu: apt-get install hyperfine)")
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        return said.strip().removeprefix("hyperfine ")

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Repeat the invocation and pool its runs until Welch's interval is narrow enough."""
        begin_s = time.monotonic()
        runs: tuple[list[float], list[float]] = [], []
        known: Known | None = None
        with contextlib.suppress(OutOfTimeError):
            while not (known and known.is_within):
                exported = self._programs.scratch / "hyperfine.json"
                commands = [shlex.join(self._command(each)) for each in (a, b)]
                options = ["--shell=none", "--style", "none", "--export-json", str(exported), *self._options]
                self._programs.run(["hyperfine", *options, *commands], deadline_s)
                for taken, times in zip(runs, times_s(exported.read_text()), strict=True):
                    taken += times
                ratio = statistics.fmean(runs[1]) / statistics.fmean(runs[0])
                known = Known(
                    ratio=ratio,
                    half_width=welch_half_width(*runs),
                    is_different=known.is_different if known else prints_apart(*runs),
                    wall_s=time.monotonic() - begin_s,
                )
        return known

    def _command(self, variant: Variant) -> list[str]:
        calls = max(1, round(WORK_S * 1e6 / (INNER * STEPS[variant.step].rough_us)))
        return self._programs.command("command", variant.step, str(variant.inner), str(calls))


def times_s(text: str) -> tuple[list[float], list[float]]:
    """Return the run times of the two commands, from hyperfine's JSON."""
    one, other = json.loads(text)["results"]
    return one["times"], other["times"]


def prints_apart(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether "x ± y times faster" leaves out 1; hyperfine divides the slower by the faster."""
    means = sorted((statistics.fmean(a), statistics.fmean(b)))
    times = means[1] / means[0]
    return times - times * quotient_deviation(a, b) > 1
