"""samestep, pyperf, pytest-benchmark, torch.utils.benchmark and hyperfine on the same six steps of this host.

    make peers          or    python -m harness.peers [--short] [--format md] [--results FILE]

Each tool compares two variants of a step as its own documentation recommends, until their ratio is known within ±3 % or
a cap has passed: A with a copy of A, and A with B, which has exactly 5 % more work. First quiet, then while another
process keeps the measured core half busy. docs/peers.md has the tables. Ctrl-C prints the tables so far, and
--results FILE goes on with what FILE has.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from harness.environments import checkout
from harness.errors import INTERRUPTED, OK, SamestepError, SelectionError
from harness.host import machine, processors
from harness.host.planted import load
from harness.launchers import scratch as scratch_folders
from harness.peers import session
from harness.peers.comparison import CONDITIONS, Condition, Facts, Results, plan
from harness.peers.steps import STEPS
from harness.peers.table import markdown, text
from harness.plan.request import one_of
from harness.terminal import streams

BUSY_S: Final = 2.0  # for so long it is looked whether other programs run
QUIET: Final = 0.2  # processors that may be busy on a quiet machine
SHORT_STEPS: Final = ("NumPy regression", "JAX MLP, jit")


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for and print the tables; return the exit code."""
    asked = parse(arguments)
    try:
        results = Results(
            asked.results or checkout.ROOT / "build" / "peers" / f"{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
        )
        code = OK
        if not asked.show:
            try:
                measure(asked, results)
            except KeyboardInterrupt:
                code = INTERRUPTED
            session.to_stderr(f"Results: {results.path}")
        facts, comparisons = results.read()
    except SamestepError as error:
        session.to_stderr(str(error))
        return error.exit_code
    sys.stdout.write((markdown if asked.format == "md" else text)(facts, comparisons))
    return code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m harness.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="two steps, once, with small caps: to see that all works")
    parser.add_argument("--format", choices=("text", "md"), default="text", help="md: the section of docs/peers.md")
    parser.add_argument("--results", type=Path, help="keep the results in this file; what it has is not measured again")
    parser.add_argument("--show", action="store_true", help="measure nothing, print the tables of --results")
    parser.add_argument("--cap", type=float, help="seconds after which a comparison is given up (180; short: 20)")
    parser.add_argument("--identical", type=int, help="A/A comparisons of each tool and step (2; short: 1)")
    parser.add_argument("--planted", type=int, help="comparisons with the planted 5 %% (1)")
    parser.add_argument("--condition", help=f"{','.join(CONDITIONS)} or one of them")
    parser.add_argument("--tool", help="some of the tools, separated by commas")
    parser.add_argument("--step", action="append", help="one of the steps; may be given more than once")
    parser.add_argument("--cpus", help="the processors that are measured on, such as 1 or 2-3")
    return parser.parse_args(arguments)


def measure(asked: argparse.Namespace, results: Results) -> None:
    """Make the comparisons that are asked for."""
    cpus = processors.cpu_set(asked.cpus) if asked.cpus else processors.default_cpus()
    cap_s = asked.cap or (20.0 if asked.short else 180.0)
    with tempfile.TemporaryDirectory(prefix="samestep-peers-", dir=scratch_folders.quietly()) as scratch:
        programs = session.programs(Path(scratch), cpus, session.to_stderr)
        tools = session.tools(programs, is_short=asked.short)
        versions = session.versions(tools)
        steps = chosen("step", asked.step or (SHORT_STEPS if asked.short else list(STEPS)), list(STEPS))
        names = chosen("tool", asked.tool.split(",") if asked.tool else list(versions), list(versions))
        for name in [name for name in names if " " in versions[name]]:
            session.to_stderr(f"{versions[name]}: left out")
            names.remove(name)
        planned = plan(
            steps,
            names,
            conditions(asked.condition),
            identical=asked.identical or (1 if asked.short else 2),
            planted=asked.planted or 1,
        )
        busy = psutil.cpu_percent(BUSY_S) / 100 * (psutil.cpu_count() or 1)
        if busy > QUIET:
            session.to_stderr(
                f"Not a quiet machine: other programs keep {busy:.1f} processors busy, which the tables say"
            )
        results.begin(facts(cpus, cap_s, versions, busy, is_short=asked.short))
        processors.leave(cpus)
        seconds = session.time_left_s(planned, results.read()[1], cap_s)
        guess = f"{len(planned)} comparisons, {session.about(seconds)} by a first guess"
        session.to_stderr(f"{guess}; Ctrl-C prints the tables so far")
        session.measure(planned, tools, results, cap_s, partial(load, cpus), session.to_stderr)


def chosen(kind: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the names; raises SelectionError for one that is unknown."""
    for name in names:
        one_of(kind, name, tuple(known))
    return list(names)


def conditions(typed: str | None) -> list[Condition]:
    """Return the conditions in their order; raises SelectionError for an unknown one."""
    names = typed.split(",") if typed else list(CONDITIONS)
    found = [condition for condition in CONDITIONS if condition in names]
    if len(found) < len(names):
        raise SelectionError(f"--condition is {' or '.join(CONDITIONS)}, not {typed}.")
    return found


def facts(cpus: tuple[int, ...], cap_s: float, versions: dict[str, str], busy: float, *, is_short: bool) -> Facts:
    """Return what holds for the session."""
    host = machine.host_facts("cpu")
    return Facts(
        date=time.strftime("%Y-%m-%d"),
        cpu=host.cpu,
        cores=host.cores,
        os=host.os,
        cpus=cpus,
        commit=checkout.commit()[0],
        cap_s=cap_s,
        versions=versions,
        is_short=is_short,
        busy=busy,
    )


if __name__ == "__main__":
    streams.exiting(lambda: main(sys.argv[1:]))
