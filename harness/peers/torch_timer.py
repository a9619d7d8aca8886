"""torch.utils.benchmark: a `Timer` for each variant in one process, `blocked_autorange` or `adaptive_autorange`.

https://docs.pytorch.org/tutorials/recipes/recipes/benchmark.html. Its interval is the one behind the significant
figures that `Compare` trims its table to; `adaptive_autorange` is told 3 % as its threshold.
"""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from typing import Literal

from harness.peers.pyperf import version_of
from harness.peers.steps import Variant
from harness.peers.tool import WITHIN, Known, OutOfTimeError, Programs

Method = Literal["blocked_autorange", "adaptive_autorange"]


class TorchTimer:
    """Different: `Compare` with `trim_significant_figures()` would print two numbers that differ."""

    def __init__(self, programs: Programs, method: Method) -> None:
        self.name = f"torch {method}"
        self._programs = programs
        self._method = method

    def version(self) -> str:
        """Return the version of PyTorch."""
        return version_of(self._programs, "torch")

    def ratio(self, a: Variant, b: Variant, deadline_s: float) -> Known | None:
        """Run one process until both medians are known well enough; what it said before the deadline counts."""
        begin_s = time.monotonic()
        command = self._programs.command("under_torch", self._method, a.step, str(a.inner), str(b.inner), str(WITHIN))
        with contextlib.suppress(OutOfTimeError):
            self._programs.run(command, deadline_s)
        return known(self._programs.last_output(), time.monotonic() - begin_s)


def known(said: str, wall_s: float) -> Known | None:
    """Return what the last whole line says; None: there is none yet."""
    lines = [line for line in said.splitlines() if line.startswith("{") and line.endswith("}")]
    if not lines:
        return None
    found = json.loads(lines[-1])
    one, other = found["medians_s"]
    return Known(
        ratio=other / one,
        half_width=found["half_width"],
        is_different=prints_differ((one, other), found["figures"]),
        wall_s=wall_s,
    )


def prints_differ(medians_s: Sequence[float], figures: Sequence[int]) -> bool:
    """Return whether two medians differ when each is rounded to its significant figures, as `Compare` prints them."""
    printed = [
        round(median, count - math.floor(math.log10(median)) - 1)
        for median, count in zip(medians_s, figures, strict=True)
    ]
    return not math.isclose(*printed, rel_tol=1e-9)
