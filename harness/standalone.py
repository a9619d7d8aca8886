"""Is samestep's step the step that an expert would get? Each cell against a stand-alone script of the same mode.

    make standalone          or    python -m harness.standalone --framework torch,jax --blocks 3

The scripts under bench/standalone/ import nothing of samestep. In every block each cell is measured twice on the same
processors, by samestep and by the script, one right after the other in random order; the ratio is paired by block.
"""

import argparse
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.catalogue import catalogue
from bench.record import Cell, Record
from bench.supervise import BENCH, DROPPED
from bench.turn import Settings
from harness import exports, host, options, progress, selection, store
from harness.environments import Environments
from harness.errors import SamestepError, SetupError
from harness.launchers.local import LocalLauncher
from harness.plan import Place, make_plan
from harness.profiles import PROFILES
from harness.report import stats
from harness.report.facts import RunFacts
from harness.run import Run, steps
from harness.selection import Selection
from harness.store import RunFolder

SCRIPTS: Final = BENCH / "standalone"
WITHIN: Final = 0.10  # the ratio's limit
TIMEOUT_S: Final = 300.0
SETTINGS: Final = Settings(
    rounds=20, warmup_floor_ns=10**9, warmup_cap_ns=2 * 10**9, warm_blocks=0, other_threads=False
)


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

    def step_ns(self, cell: Cell) -> float:
        """Return what the script of `cell` says of one step.

        Raises:
            SetupError: it failed or said nothing.
        """
        caches = self._scratch / cell.framework  # kept from block to block: only steady steps are compared
        caches.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name not in DROPPED}
        done = subprocess.run(
            [self._python[cell.framework], "-P", "-m", f"bench.standalone.{cell.framework}", *self._arguments(cell)],
            cwd=caches,
            env={**inherited, "PYTHONPATH": str(self._path), "TMPDIR": str(caches)},
            preexec_fn=lambda: os.sched_setaffinity(0, self._cpus),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        try:
            return 1e3 * float(json.loads(done.stdout.splitlines()[-1])["step_us"])
        except (ValueError, IndexError, KeyError) as error:
            last = (done.stderr.splitlines() or ["it said nothing"])[-1]
            raise SetupError(f"bench/standalone/{cell.framework}.py {cell.mode}: {last}") from error

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


def pairs(run: Run, launcher: LocalLauncher, scripts: Scripts) -> Iterator[Pair]:
    """Measure every replicate of the plan by both, in random order."""
    rng = random.Random(run.plan.seed)
    records = steps(run, launcher, {}, progress.PlainProgress(run.plan, (), lambda line: None))
    for place in run.plan.places():
        script_first = rng.random() < 0.5 and not _needs_a_model(run, place)
        reason = ""
        script_ns = None
        record = None if script_first else next(records)
        try:
            if record is None or record.status != "skipped":
                script_ns = scripts.step_ns(place.cell)
        except (SetupError, subprocess.TimeoutExpired) as error:
            reason = str(error)
        record = record or next(records)
        yield Pair(
            cell=place.cell,
            block=place.block,
            samestep_ns=_step_ns(record),
            script_ns=script_ns,
            reason=record.reason or reason,
        )


def _step_ns(record: Record) -> float | None:
    return stats.step_ns(record.timing) if record.status == "ok" and record.timing else None


def _needs_a_model(run: Run, place: Place) -> bool:
    return (place.cell.framework, place.cell.mode) in exports.sources(run.facts.frameworks)


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
        lines.append(f"| {name} | {ours.value / 1e3:.4g} | {own.value / 1e3:.4g} | {ratio.value:.3f} | {interval} |")
        if abs(ratio.value - 1) > WITHIN:
            far.append(f"{cell.framework} {cell.mode}: {ratio.value:.3f}")
    return lines, far


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table; return 3 when a cell is farther from its script than `WITHIN`."""
    parser = argparse.ArgumentParser(prog="python -m harness.standalone", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--framework", help="frameworks, separated by commas [default: all with a script]")
    parser.add_argument("--mode", help="modes, separated by commas [default: all]")
    parser.add_argument("--blocks", type=int, default=5, help="how often each cell is measured [default: 5]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order [default: 1]")
    parser.add_argument("--cpus", help="CPU set of both, as 1-3 [default: all but one]")
    asked = parser.parse_args(arguments)
    try:
        cpus = options.cpu_set(asked.cpus) if asked.cpus else host.default_cpus()
        chosen = Selection(
            frameworks=selection.names(asked.framework), modes=selection.names(asked.mode), optimizers=("adam",)
        )
        return _compare(chosen, asked.blocks, asked.seed, cpus)
    except SamestepError as error:
        print(f"samestep: {error}", file=sys.stderr)
        return error.exit_code


def _compare(chosen: Selection, blocks: int, seed: int, cpus: tuple[int, ...]) -> int:
    offer = catalogue()
    with_script = tuple(one.name for one in offer.frameworks if (SCRIPTS / f"{one.name}.py").is_file())
    asked = replace(chosen, frameworks=chosen.frameworks or with_script)
    found = selection.cells(offer, asked, PROFILES["quick"], "cpu")
    cells = tuple(cell for cell in found if cell.track == "identical")
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
