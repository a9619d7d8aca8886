"""Is samestep's step as fast as an expert's? Each cell is compared with a stand-alone script of the same mode.

    make standalone          or    python -m harness.standalone.compare --framework torch,jax --blocks 3
                                   python -m harness.standalone.compare --batch 1,256

The scripts under harness/standalone/programs/ import nothing of samestep. In every block each cell is measured twice,
by samestep and by the script, in two processes that take turns on the same processors during their rounds; the ratio is
that of neighbouring turns.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.catalogue import FrameworkOffer, catalogue
from bench.records.record import Cell, Record, Timing
from bench.turns.parking import SLICE_NS
from bench.turns.turn import Settings
from harness.environments import checkout
from harness.environments.venvs import Environments
from harness.errors import SamestepError, SetupError
from harness.host import machine, processors
from harness.launchers import scratch
from harness.launchers.local import LocalLauncher
from harness.plan import selection, specs
from harness.plan.models import needed as needed_frameworks
from harness.plan.plan import Plan, make_plan
from harness.plan.profiles import PROFILES
from harness.plan.selection import Selection
from harness.run import progress
from harness.run.active import ActiveRun
from harness.run.models import Exports
from harness.run.runner import GroupMember, Runner
from harness.run.trained import Trained
from harness.standalone.alternate import timing_of
from harness.standalone.scripts import REGRESSION, Script, Scripts, script_of
from harness.stats import alternation
from harness.stats.estimate import estimate, step_ns
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder, create
from harness.terminal import streams

PERCEPTRON: Final = "mlp"  # whose inference the engines have scripts of
WITHIN: Final = 0.10  # a ratio farther from 1 is a failure
SLICES: Final = 40  # of each of the two
SLICES_OF_FIT: Final = 15  # where one takes long
LONG: Final = 2  # times the usual length of a slice
WIDER: Final = 1.6  # a script's slice ÷ samestep's: rounds that are cut at its ends do not count
ROUNDS: Final = 800  # of about 5 ms, of inference 2 ms, that a script runs, in its slices and alone at the end
ROUNDS_OF_FIT: Final = 60  # of 5 to 300 ms, and as many of twice that
SETTINGS: Final = Settings(rounds=1, warmup_floor_ns=10**9, warmup_cap_ns=2 * 10**9, warm_blocks=0, other_threads=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRatio:
    """One cell in one block, measured by samestep and by its script."""

    cell: Cell
    block: int
    samestep_ns: float | None  # time per step; None: no valid result
    script_ns: float | None
    ratio: float | None  # samestep ÷ script, from neighbouring slices
    reason: str = ""  # why one is missing


def script_ratios(run: ActiveRun, launcher: LocalLauncher, scripts: Scripts) -> Iterator[ScriptRatio]:
    """Measure every replicate of the plan by samestep and by its script, which take turns."""
    silent = progress.PlainProgress(run.plan, (), lambda line: None)
    runner = Runner(run, launcher, {}, silent)
    brief = Runner(replace(run, settings=replace(run.settings, rounds=1)), launcher, {}, silent)
    models = Exports(
        run.facts.frameworks,
        (),
        runner.keep,
        artifact=run.folder.models.artifact,
        trained=Trained(run.folder.models, run.plan.cells),
    )
    fit_steps: dict[Cell, int] = {}
    for place in run.plan.in_order():
        if _is_fit(place.cell) and place.cell not in fit_steps:
            record = brief.keep(place)
            fit_steps[place.cell] = record.timing.calls_per_round if record.timing else 1
        steps = fit_steps.get(place.cell)
        member = runner.member(place, calls_per_round=steps, model=models.model(place))
        rounds = ROUNDS_OF_FIT if _is_fit(place.cell) else ROUNDS
        yield _script_ratio(member, partial(scripts.start, place.cell, rounds, steps or 0), seed=place.hash_seed)


def _is_fit(cell: Cell) -> bool:
    """Return whether a mode is a trainer's fit, whose rounds are long; its name begins so in every framework."""
    return cell.mode.startswith("fit")


def _script_ratio(member: GroupMember | Record, start: Callable[[], Script], *, seed: int) -> ScriptRatio:
    record = member if isinstance(member, Record) else member.start()
    theirs: Timing | None = None
    reason = ""
    if record is None:
        assert isinstance(member, GroupMember)
        try:
            script = start()
            record = _take_turns(member, script, random.Random(seed))
            theirs = timing_of(script.rounds(), script.turns.windows)
        except SetupError as error:
            reason = str(error)
        finally:
            record = record or member.finish()
    ours = record.timing if record.status == "ok" else None
    measured = alternation.ratio(ours, theirs) if ours and theirs else None
    return ScriptRatio(
        cell=record.cell,
        block=record.block,
        samestep_ns=step_ns(ours) if ours else None,
        script_ns=step_ns(theirs) if theirs else None,
        ratio=measured,
        reason=record.reason or reason or ("" if measured else "no whole round in the slices of the script"),
    )


def _take_turns(member: GroupMember, script: Script, rng: random.Random) -> Record | None:
    """Run the slices of both, in random order; return the record when samestep's process ended in one."""
    slice_s = (member.parked.slice_ns if member.parked else SLICE_NS) / 1e9
    count = SLICES_OF_FIT if slice_s > LONG * SLICE_NS / 1e9 else SLICES
    script.turns.start()
    for _ in range(count):
        for is_ours in rng.sample((True, False), 2):
            if not is_ours:
                script.turns.run_slice(WIDER * slice_s)
            elif (record := member.run_slice()) is not None:
                return record
    return None


def table(measured: Sequence[ScriptRatio]) -> tuple[list[str], list[str]]:
    """Return the Markdown table of ratios, and the cells whose ratio is farther than `WITHIN` from 1."""
    has_batches = any(pair.cell.batch for pair in measured)
    lines = [
        f"| framework | mode |{' batch |' * has_batches} samestep, µs | script, µs | ratio | 95 % interval |",
        f"|---|---|{'---|' * has_batches}---|---|---|---|",
    ]
    far = []
    for cell in dict.fromkeys(pair.cell for pair in measured):
        of_cell = [pair for pair in measured if pair.cell == cell]
        name = f"{cell.framework} | {cell.mode}" + (f" | {cell.batch}" if has_batches else "")
        ratios = [pair.ratio for pair in of_cell if pair.ratio]
        if not ratios:
            reason = next((pair.reason for pair in of_cell if pair.reason), "")
            lines.append(f"| {name} | | | | {reason} |")
            continue
        mean = estimate(ratios)
        interval = f"{mean.interval.low:.3f} to {mean.interval.high:.3f}" if mean.interval else ""
        samestep = estimate([pair.samestep_ns for pair in of_cell if pair.ratio and pair.samestep_ns])
        script = estimate([pair.script_ns for pair in of_cell if pair.ratio and pair.script_ns])
        figures = f"{samestep.value / 1e3:.4g} | {script.value / 1e3:.4g} | {mean.value:.3f} | {interval}"
        lines.append(f"| {name} | {figures} |")
        if abs(mean.value - 1) > WITHIN:
            far.append(f"{_title(cell)}: {mean.value:.3f}")
    return lines, far


def _title(cell: Cell) -> str:
    batch = f" at batch {cell.batch}" if cell.batch else ""
    return f"{cell.framework} {cell.mode}{batch}"


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table; return 3 when a cell is farther from its script than `WITHIN`."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.standalone.compare", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--framework", help="frameworks, separated by commas [default: all with a script]")
    parser.add_argument("--mode", help="modes, separated by commas [default: all]")
    parser.add_argument("--workload", help="of which there are scripts [default: regression, with --batch mlp]")
    parser.add_argument("--size", help="its size, such as M [default: the CPU's, with --batch S]")
    parser.add_argument("--batch", help="infer with trained models at these batches, such as 1,256 [default: train]")
    parser.add_argument("--blocks", type=int, default=3, help="how often each cell is measured [default: 3]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order [default: 1]")
    parser.add_argument("--cpus", help="CPU set of both, as 1-3 [default: all but one]")
    options = parser.parse_args(arguments)
    try:
        cpus = processors.cpu_set(options.cpus) if options.cpus else processors.default_cpus()
        chosen = Selection(
            framework=selection.names(options.framework),
            mode=selection.names(options.mode),
            workload=selection.names(options.workload or (PERCEPTRON if options.batch else REGRESSION)),
            size=selection.names(options.size or ("S" if options.batch else None)),
            optimizer=() if options.batch else ("adam",),
            batch=selection.names(options.batch),
        )
        with checkout.snapshot() as code:
            return _compare(chosen, options.blocks, options.seed, cpus, code)
    except SamestepError as error:
        print(f"samestep: {error}", file=sys.stderr)
        return error.exit_code


def _compare(chosen: Selection, blocks: int, seed: int, cpus: tuple[int, ...], code: Path) -> int:
    offer = catalogue()
    specs.require_locked(chosen.framework, whom="a comparison with plain scripts")
    offered = selection.cells(offer, chosen, PROFILES["quick"], "cpu")
    training = (cell for cell in offered if cell.track == "identical")
    cells = tuple(cell for cell in training if script_of(cell))
    if not cells:
        raise SetupError("None of the selected cells has a program in harness/standalone/programs to compare with.")
    environments = Environments(checkout.ROOT, "cpu")
    launcher = LocalLauncher("venv", environments, code=code)
    needed = needed_frameworks(offer.frameworks, cells)
    if failed := launcher.prepare(needed, progress.say):
        raise SetupError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
    python = {name: path for name in needed if (path := environments.python(name))}
    plan = make_plan(cells, blocks=blocks, seed=seed)
    processors.leave(cpus)
    with tempfile.TemporaryDirectory(prefix="samestep-standalone-", dir=scratch.quietly()) as name:
        folder = create(Path(name), "run")
        facts = _facts(folder, offer.frameworks, plan, blocks, seed, cpus)
        folder.write_facts(facts)
        run = ActiveRun(folder=folder, plan=plan, facts=facts, settings=SETTINGS)
        measured = list(_shown(script_ratios(run, launcher, Scripts(python, cpus, Path(name), folder)), plan))
    lines, far = table(sorted(measured, key=lambda pair: cells.index(pair.cell)))
    print("\n".join(["", f"{facts.host.cpu}, CPU set {','.join(map(str, cpus))}, {blocks} blocks", "", *lines, ""]))
    print(f"Farther than {WITHIN:.0%} from the script: {'; '.join(far) or 'none'}")
    return 3 if far else 0


def _facts(
    folder: RunFolder, frameworks: tuple[FrameworkOffer, ...], plan: Plan, blocks: int, seed: int, cpus: tuple[int, ...]
) -> RunFacts:
    commit, dirty = checkout.commit()
    return RunFacts(
        id=folder.id,
        profile="standalone",
        seed=seed,
        blocks=blocks,
        replicates=plan.replicates,
        started_unix_ns=0,
        wall_s=0.0,
        host=machine.host_facts("cpu"),
        commit=commit,
        dirty=dirty,
        launcher="venv",
        cpus=cpus,
        threads=len(cpus),
        frameworks=frameworks,
    )


def _shown(ratios: Iterable[ScriptRatio], plan: Plan) -> Iterator[ScriptRatio]:
    """Yield the ratios, each after a line of progress."""
    for count, pair in enumerate(ratios, start=1):
        samestep, script = (f"{ns / 1e3:.4g} µs" if ns else "none" for ns in (pair.samestep_ns, pair.script_ns))
        cell = f"block {pair.block}  {_title(pair.cell)}"
        result = f"ratio {pair.ratio:.3f}" if pair.ratio else pair.reason
        progress.say(f"[{count}/{plan.replicates}] {cell}: {samestep}, script {script}, {result}")
        yield pair


if __name__ == "__main__":
    streams.exiting(lambda: main(sys.argv[1:]))
