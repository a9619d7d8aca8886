"""Is samestep's step the step that an expert would get? Each cell against a stand-alone script of the same mode.

    make standalone          or    python -m harness.standalone --framework torch,jax --blocks 3

The scripts under bench/standalone/ import nothing of samestep. In every block each cell is measured twice, by samestep
and by the script, in two processes that take turns on the same processors while their rounds last; the ratio is paired
by block.
"""

import argparse
import base64
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from bench.catalogue import catalogue
from bench.record import Cell, Record
from bench.supervise import BENCH, DROPPED, end_group
from bench.turn import Settings
from harness import exports, host, options, progress, selection, store
from harness.alternate import Side, Turns, alternate
from harness.environments import Environments
from harness.errors import SamestepError, SetupError
from harness.launchers.local import LocalLauncher
from harness.plan import Place, make_plan
from harness.profiles import PROFILES
from harness.report import stats
from harness.report.facts import RunFacts
from harness.run import Run, Runner
from harness.selection import Selection
from harness.store import RunFolder

SCRIPTS: Final = BENCH / "standalone"
REGRESSION: Final = "regression"
WITHIN: Final = 0.10  # the ratio's limit
TIMEOUT_S: Final = 300.0
ROUNDS: Final = 400  # of some 5 ms
ROUNDS_OF_FIT: Final = 50  # of some 100 ms, and as many of twice that
SETTINGS: Final = Settings(
    rounds=ROUNDS, warmup_floor_ns=10**9, warmup_cap_ns=2 * 10**9, warm_blocks=0, other_threads=False
)


def script_of(cell: Cell) -> str:
    """Return the path of a cell's script from the checkout, without its ending; the regression's have no folder."""
    folder = "" if cell.workload == REGRESSION else f"{cell.workload}/"
    return f"bench/standalone/{folder}{cell.framework}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One cell in one block, by both."""

    cell: Cell
    block: int
    samestep_ns: float | None  # time per step; None: no valid result
    script_ns: float | None
    reason: str = ""  # why one is missing


class Scripts:
    """Runs the stand-alone scripts, each in a fresh process of its framework's environment."""

    def __init__(self, python: Mapping[str, Path], cpus: Sequence[int], scratch: Path, folder: RunFolder) -> None:
        self._python = python
        self._cpus = tuple(cpus)
        self._scratch = scratch
        self._folder = folder
        self._path = scratch / "path"  # holds a link to bench and nothing else that an import could find
        self._path.mkdir()
        (self._path / BENCH.name).symlink_to(BENCH)

    def start(self, cell: Cell, rounds: int) -> "Script":
        """Start the script of `cell`; raises SetupError when there is no model for it."""
        caches = self._scratch / cell.framework  # kept from block to block: only steady steps are compared
        caches.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name not in DROPPED}
        output = self._scratch / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                [
                    self._python[cell.framework],
                    "-P",
                    "-m",
                    script_of(cell).replace("/", "."),
                    *self._arguments(cell),
                ],
                cwd=caches,
                env={**inherited, "PYTHONPATH": str(self._path), "TMPDIR": str(caches), "ROUNDS": str(rounds)},
                preexec_fn=lambda: os.sched_setaffinity(0, self._cpus),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Script(cell, process, output)

    def _arguments(self, cell: Cell) -> list[str]:
        """Return the mode, and the path of the model where the cell runs one."""
        offers = self._folder.facts().frameworks
        source = exports.sources(offers).get((cell.framework, cell.mode))
        if source is None:
            return [cell.mode]
        path = self._scratch / f"{source}.onnx"
        models = (one.export for one in self._folder.records() if one.cell.framework == source and one.export)
        model = next(models, None)
        if model is None:
            raise SetupError(f"there is no model from {source} to run")
        path.write_bytes(base64.b64decode(model.model_base64))
        return [cell.mode, str(path)]


class Script:
    """A stand-alone script under way."""

    def __init__(self, cell: Cell, process: subprocess.Popen[bytes], output: Path) -> None:
        self._cell = cell
        self._process = process
        self._output = output
        self.side = Side(
            process=lambda: psutil.Process(process.pid) if process.poll() is None else None,
            is_ready=lambda: "rounds" in self._said(),
        )

    def _said(self) -> list[str]:
        return self._output.read_text(errors="replace").splitlines()

    def has_ended(self) -> bool:
        """Return whether it has."""
        return self._process.poll() is not None

    def step_ns(self) -> float:
        """Wait for the end and return what the script says of one step.

        Raises:
            SetupError: it failed, said nothing or took too long.
        """
        what = f"{script_of(self._cell)}.py {self._cell.mode}"
        try:
            self._process.wait(TIMEOUT_S)
            said = self._said()
            result = next(line for line in reversed(said) if line.startswith("{"))
            return 1e3 * float(json.loads(result)["step_us"])
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"{what}: still running after {TIMEOUT_S:g} s") from error
        except (ValueError, StopIteration, KeyError) as error:
            raise SetupError(f"{what}: {(said or ['it said nothing'])[-1]}") from error
        finally:
            end_group(self._process)


def pairs(run: Run, launcher: LocalLauncher, scripts: Scripts) -> Iterator[Pair]:
    """Measure every replicate of the plan by both at once."""
    silent = progress.PlainProgress(run.plan, (), lambda line: None)
    runner = Runner(run, launcher, {}, silent)
    models = exports.Exports(run.facts.frameworks, (), runner.keep)
    for place in run.plan.places():
        # A fit has a cost of its own, so its rounds are long. What is a fit is called so, in every framework.
        rounds = ROUNDS_OF_FIT if place.cell.mode.startswith("fit") else ROUNDS
        one = Runner(replace(run, settings=replace(run.settings, rounds=rounds)), launcher, {}, silent)
        keep = partial(one.keep, place, model=models.model(place))
        yield _pair(run, place, keep, partial(scripts.start, place.cell, rounds))


def _pair(run: Run, place: Place, keep: Callable[[], Record], start: Callable[[], Script]) -> Pair:
    # In a process of its own: whatever a launcher finds under its process when a turn ends, it kills as a stray.
    mine = multiprocessing.get_context("fork").Process(target=keep)
    mine.start()
    assert mine.pid
    script_ns, reason = None, ""
    try:
        script = start()
        alternate(Turns(mine.pid).side(), script.side, lambda: script.has_ended() or not mine.is_alive())
        script_ns = script.step_ns()
    except SetupError as error:
        reason = str(error)
    mine.join()
    record = run.folder.records()[-1]
    return Pair(
        cell=place.cell,
        block=place.block,
        samestep_ns=_step_ns(record),
        script_ns=None if record.status == "skipped" else script_ns,
        reason=record.reason or reason,
    )


def _step_ns(record: Record) -> float | None:
    return stats.step_ns(record.timing) if record.status == "ok" and record.timing else None


def table(measured: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Return the Markdown table of ratios, and the cells whose ratio is farther than `WITHIN` from 1."""
    lines = [
        "| framework | mode | samestep, µs | script, µs | ratio | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    far = []
    for cell in dict.fromkeys(pair.cell for pair in measured):
        mine = {pair.block: pair.samestep_ns for pair in measured if pair.cell == cell and pair.samestep_ns}
        theirs = {pair.block: pair.script_ns for pair in measured if pair.cell == cell and pair.script_ns}
        ratio = stats.ratio(mine, theirs)
        name = f"{cell.framework} | {cell.mode}"
        if ratio is None:
            reason = next((pair.reason for pair in measured if pair.cell == cell and pair.reason), "")
            lines.append(f"| {name} | | | | {reason} |")
            continue
        interval = f"{ratio.interval.low:.3f} to {ratio.interval.high:.3f}" if ratio.interval else ""
        ours, own = (stats.estimate(list(each.values())) for each in (mine, theirs))
        medians = f"{ours.value / 1e3:.4g} | {own.value / 1e3:.4g} | {ratio.value:.3f} | {interval}"
        lines.append(f"| {name} | {medians} |")
        if abs(ratio.value - 1) > WITHIN:
            far.append(f"{cell.framework} {cell.mode}: {ratio.value:.3f}")
    return lines, far


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table; return 3 when a cell is farther from its script than `WITHIN`."""
    parser = argparse.ArgumentParser(prog="python -m harness.standalone", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--framework", help="frameworks, separated by commas [default: all with a script]")
    parser.add_argument("--mode", help="modes, separated by commas [default: all]")
    parser.add_argument("--workload", default=REGRESSION, help="of which there are scripts [default: regression]")
    parser.add_argument("--size", help="its size, such as M [default: the CPU's]")
    parser.add_argument("--blocks", type=int, default=3, help="how often each cell is measured [default: 3]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order [default: 1]")
    parser.add_argument("--cpus", help="CPU set of both, as 1-3 [default: all but one]")
    asked = parser.parse_args(arguments)
    try:
        cpus = options.cpu_set(asked.cpus) if asked.cpus else host.default_cpus()
        chosen = Selection(
            frameworks=selection.names(asked.framework),
            modes=selection.names(asked.mode),
            workloads=selection.names(asked.workload),
            sizes=selection.names(asked.size),
            optimizers=("adam",),
        )
        return _compare(chosen, asked.blocks, asked.seed, cpus)
    except SamestepError as error:
        print(f"samestep: {error}", file=sys.stderr)
        return error.exit_code


def _compare(chosen: Selection, blocks: int, seed: int, cpus: tuple[int, ...]) -> int:
    offer = catalogue()
    found = selection.cells(offer, chosen, PROFILES["quick"], "cpu")
    training = (cell for cell in found if cell.track == "identical")
    cells = tuple(cell for cell in training if (host.ROOT / f"{script_of(cell)}.py").is_file())
    environments = Environments(host.ROOT, "cpu")
    launcher = LocalLauncher("venv", environments)
    needed = exports.needed(offer.frameworks, cells)
    if failed := launcher.prepare(needed, progress.say):
        raise SetupError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
    python = {name: path for name in needed if (path := environments.python(name))}
    plan = make_plan(cells, blocks, seed)
    host.leave(cpus)
    measured = []
    with tempfile.TemporaryDirectory(prefix="samestep-standalone-") as name:
        folder = store.create(Path(name), "run")
        facts = RunFacts(
            id=folder.id,
            profile="standalone",
            seed=seed,
            blocks=blocks,
            replicates=plan.replicates,
            started_unix_ns=0,
            wall_s=0.0,
            host=host.host_facts("cpu"),
            commit=host.commit()[0],
            dirty=host.commit()[1],
            launcher="venv",
            cpus=cpus,
            threads=len(cpus),
            frameworks=offer.frameworks,
        )
        folder.write_facts(facts)
        run = Run(folder=folder, plan=plan, facts=facts, settings=SETTINGS)
        for pair in pairs(run, launcher, Scripts(python, cpus, Path(name), folder)):
            measured.append(pair)
            both = [f"{ns / 1e3:.4g} µs" if ns else "none" for ns in (pair.samestep_ns, pair.script_ns)]
            what = f"block {pair.block}  {pair.cell.framework} {pair.cell.mode}"
            progress.say(f"[{len(measured)}/{plan.replicates}] {what}: {both[0]}, script {both[1]} {pair.reason}")
    lines, far = table(sorted(measured, key=lambda pair: cells.index(pair.cell)))
    print("\n".join(["", f"{facts.host.cpu}, CPU set {','.join(map(str, cpus))}, {blocks} blocks", "", *lines, ""]))
    print(f"Farther than {WITHIN:.0%} from the script: {'; '.join(far) or 'none'}")
    return 3 if far else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
