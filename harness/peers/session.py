"""The session: every tool on every step, first quiet and then under the planted load."""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

from bench.catalogue import framework_offer
from harness import format
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.errors import SetupError
from harness.peers.comparison import Comparison, Planned, Results
from harness.peers.hyperfine import Hyperfine
from harness.peers.pyperf import Pyperf
from harness.peers.pytest_benchmark import PytestBenchmark
from harness.peers.samestep import Samestep, measured_group
from harness.peers.steps import STEPS
from harness.peers.tool import Programs, Tool
from harness.peers.torch_timer import TorchTimer

ENVIRONMENT: Final = "peers"  # images/cpu/peers.in: NumPy, PyTorch and JAX with the other tools
SETTLE_S: Final = 1.0  # after the load has begun
GUESS: Final[Mapping[str, float]] = {"torch blocked_autorange": 0.1, "torch adaptive_autorange": 0.15}  # of the cap

Load = Callable[[], AbstractContextManager[object]]


def programs(scratch: Path, cpus: tuple[int, ...], say: Callable[[str], None]) -> Programs:
    """Return what runs the programs on `cpus`; the environment is made when it is not there.

    Raises:
        SetupError: it cannot be made.
    """
    environments = Environments(ROOT, "cpu")
    unprepared = environments.make([ENVIRONMENT], say)
    python = environments.python(ENVIRONMENT)
    if unprepared or python is None:
        raise SetupError(f"The other tools run in an environment of their own: {unprepared.get(ENVIRONMENT, 'none')}")
    frameworks = sorted({step.framework for step in STEPS.values()})
    environment = [(key, value) for name in frameworks for key, value in framework_offer(name).environment]
    return Programs(python, scratch, environment, cpus)


def tools(programs: Programs, *, is_short: bool) -> list[Tool]:
    """Return all tools; `is_short` takes the fewest repetitions that each allows, to see that all work."""
    pyperf_options = ("--processes", "2", "--values", "2") if is_short else ("--fast",)
    hyperfine_options = ("--warmup", "1", *(("--runs", "3") if is_short else ()))
    return [
        Samestep(partial(measured_group, programs)),
        Pyperf(programs, pyperf_options),
        PytestBenchmark(programs),
        TorchTimer(programs, "blocked_autorange"),
        TorchTimer(programs, "adaptive_autorange"),
        Hyperfine(programs, hyperfine_options),
    ]


def versions(all_tools: Sequence[Tool]) -> dict[str, str]:
    """Return the version of each tool, a sentence in its place where it is not there."""
    found = {}
    for tool in all_tools:
        try:
            found[tool.name] = tool.version()
        except SetupError as error:
            found[tool.name] = str(error)
    return found


def measure(
    planned: Sequence[Planned],
    all_tools: Sequence[Tool],
    results: Results,
    cap_s: float,
    load: Load,
    say: Callable[[str], None],
) -> None:
    """Make every comparison that `results` does not have yet, and keep each when it ends.

    The load begins with the first comparison that wants it and ends with the session.
    """
    by_name = {tool.name: tool for tool in all_tools}
    done = {comparison.planned: comparison for comparison in results.read()[1]}
    left = [each for each in planned if each not in done]
    is_loaded = False
    with contextlib.ExitStack() as stack:
        for number, each in enumerate(left):
            if each.condition == "load" and not is_loaded:
                stack.enter_context(load())
                time.sleep(SETTLE_S)
                is_loaded = True
            comparison = compared(each, by_name[each.tool], cap_s)
            done[each] = comparison
            results.keep(comparison)
            seconds = time_left_s(left[number + 1 :], list(done.values()), cap_s)
            say(f"[{len(planned) - len(left) + number + 1}/{len(planned)}] {line(comparison)}; {about(seconds)} left")


def compared(planned: Planned, tool: Tool, cap_s: float) -> Comparison:
    """Make one comparison."""
    begin_s = time.monotonic()
    try:
        known, reason = tool.ratio(*planned.variants, begin_s + cap_s), ""
    except SetupError as error:
        known, reason = None, str(error)
    return Comparison(planned=planned, known=known, wall_s=time.monotonic() - begin_s, reason=reason)


def line(comparison: Comparison) -> str:
    """Return a comparison as a line of progress."""
    planned, known = comparison.planned, comparison.known
    what = "+5 %" if planned.is_planted else "A/A"
    found = comparison.reason or "no ratio before the cap"
    if known:
        given_up = "" if known.is_within else ", given up"
        found = f"{known.ratio:.4f} ±{100 * known.half_width:.1f} %{given_up}"
        found += ", called different" if known.is_different else ""
    return f"{planned.condition} · {planned.step} · {planned.tool} · {what}: {found}, {comparison.wall_s:.0f} s"


def time_left_s(left: Sequence[Planned], done: Sequence[Comparison], cap_s: float) -> float:
    """Return the time in s that the rest takes: of each tool and step as before, otherwise the tool's, or a guess."""
    by_step: dict[tuple[str, str], list[float]] = {}
    by_tool: dict[str, list[float]] = {}
    for each in done:
        by_step.setdefault((each.planned.tool, each.planned.step), []).append(each.wall_s)
        by_tool.setdefault(each.planned.tool, []).append(each.wall_s)

    def expected_s(planned: Planned) -> float:
        seen = by_step.get((planned.tool, planned.step)) or by_tool.get(planned.tool)
        return statistics.fmean(seen) if seen else cap_s * GUESS.get(planned.tool, 0.5)

    return sum(map(expected_s, left))


def about(seconds: float) -> str:
    """Return an estimate in words."""
    return f"about {format.rough_duration(seconds)}"


def to_stderr(text: str) -> None:
    """Print progress, so that standard output has the table alone."""
    print(text, file=sys.stderr, flush=True)
