"""Two variants under torch.utils.benchmark: `python -m harness.peers.programs.under_torch METHOD STEP A B WITHIN`.

Measures until both medians, and so their ratio, are known within the share WITHIN by the interval that is behind
`Measurement.significant_figures`. Prints one line of JSON after each look.
"""

import json
import sys
from typing import Any

from torch.utils.benchmark import Measurement, Timer

from harness.peers.intervals import torch_half_width
from harness.peers.programs.variant import callable_of


def measure(timer: Timer, method: str, run_time_s: float, within: float) -> Any:
    """Measure once more."""
    if method == "adaptive_autorange":
        return timer.adaptive_autorange(within, max_run_time=run_time_s)
    return timer.blocked_autorange(min_run_time=run_time_s)


def main(method: str, step: str, a: str, b: str, within: str) -> None:
    """Begin with the default run time, double it until the ratio is known."""
    timers = [
        Timer("call()", globals={"call": callable_of(step, int(inner))}, label=step, sub_label=name)
        for name, inner in (("A", a), ("B", b))
    ]
    taken: list[list[Any]] = [[], []]
    run_time_s = 10.0 if method == "adaptive_autorange" else 0.2
    while True:
        for timer, measurements in zip(timers, taken, strict=True):
            measurements.append(measure(timer, method, run_time_s, float(within)))
        merged = [Measurement.merge(measurements)[0] for measurements in taken]
        half_width = torch_half_width(*(list(each.times) for each in merged))
        medians = [each.median for each in merged]
        figures = [each.significant_figures for each in merged]
        print(json.dumps({"medians_s": medians, "figures": figures, "half_width": half_width}), flush=True)
        if half_width <= float(within):
            return
        if method == "blocked_autorange":
            run_time_s *= 2


if __name__ == "__main__":
    main(*sys.argv[1:])
