"""`samestep loop`: run the programs, hold their products to the truth, show the table."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.catalogue import PERIODS, FrameworkOffer, catalogue, programs_missing
from bench.records.record import Status
from harness.environments import checkout
from harness.environments.venvs import Environments
from harness.errors import OK, SOME_FAILED, SelectionError, SetupError
from harness.host import machine
from harness.launchers import scratch
from harness.loops import table
from harness.loops.programs import Place, Program, interpreter, programs, run
from harness.loops.table import Row
from harness.loops.truth import LOOKED_INTO, LOOPS, Stops, cost, fault, faults_of_times
from harness.plan import selection
from harness.plan.selection import ALL
from harness.report.write import remake
from harness.run import progress
from harness.store.folder import RUN_FILE, RunFolder
from harness.store.loops import FILE, NAME, Loops

KIND: Final = "framework with a loop"


def chosen(
    offers: Sequence[FrameworkOffer], framework: Sequence[str], era: Sequence[str]
) -> tuple[tuple[Program, FrameworkOffer], ...]:
    """Return the programs of the named frameworks; without names those of today, and with an era those of it, too.

    Raises:
        SelectionError: an unknown framework or era, or one that has no loop.
    """
    by_name = {offer.name: offer for offer in offers}
    having = {program.framework: by_name[program.framework] for program in programs()}
    for name in era:
        selection.known("era", name, dict.fromkeys((ALL, *PERIODS)))
    named = {selection.known(KIND, name.replace("-", "_"), having).name for name in framework}
    shown = {name for name, offer in having.items() if not offer.exhibit or {ALL, offer.period} & set(era)}
    taken = named or shown
    found = ((program, having[program.framework]) for program in programs() if program.framework in taken)
    return tuple(sorted(found, key=lambda pair: (pair[1].era, pair[0].framework)))


def main(*, framework: str | None, era: str | None, output: Path | None) -> int:
    """Measure, print the table, write it into `output`; return 3 when a program did not do what it has to.

    Raises:
        SelectionError: an unknown name, or `output` is no folder that can be made.
    """
    taken = chosen(catalogue().frameworks, selection.names(framework), selection.names(era))
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SelectionError(f"--output {output} is no folder that can be made: {error.strerror}.") from error
    environments = Environments(checkout.ROOT, "cpu")
    failed = environments.make(tuple(dict.fromkeys(offer.name for _, offer in taken)), progress.say)
    rows, told = [], {}
    for number, (program, offer) in enumerate(taken, start=1):
        progress.say(f"[{number}/{len(taken)}] {offer.title}, {program.form}")
        row, raw = measured(program, offer, environments, failed.get(offer.name, ""))
        rows.append(row)
        told[program.path.stem] = raw
    cpu = machine.host_facts("cpu").cpu
    lines = [f"{cpu}, one thread", "", *table.markdown(rows)]
    print("\n".join(["", *lines]))
    if output is not None:
        _write(output, cpu, [program for program, _ in taken], rows, told, lines)
    return SOME_FAILED if any(row.status != "ok" for row in rows) else OK


def _write(
    output: Path, cpu: str, taken: Sequence[Program], rows: Sequence[Row], told: Mapping[str, Any], lines: Sequence[str]
) -> None:
    """Write the table and all that was timed into a folder; say where, and how it gets into the page of a run."""
    commit, dirty = checkout.commit()
    sources = {program.path.stem: program.path.read_text(encoding="utf-8") for program in taken}
    found = Loops(cpu=cpu, commit=commit, dirty=dirty, rows=tuple(table.records(rows)), programs=sources)
    whole = {**dataclasses.asdict(found), "told": told}
    (output / f"{NAME}.md").write_text("\n".join([*lines, ""]), encoding="utf-8")
    (output / f"{NAME}.csv").write_text(table.as_csv(rows), encoding="utf-8")
    (output / FILE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten: {output / NAME}.md, .csv, .json")
    if (output / RUN_FILE).is_file():
        print(f"This puts it into the page of the run: {remake(RunFolder(output))}")


def measured(
    program: Program, offer: FrameworkOffer, environments: Environments, lacking: str
) -> tuple[Row, Mapping[str, Any]]:
    """Return the row of a program, and what it told; `lacking`: why its environment is missing, or empty."""
    if lacking:
        return _row(program, offer, "failed", lacking), {}
    is_concerned = not offer.program_modes or program.form in offer.program_modes
    if is_concerned and (missing := programs_missing(offer)):
        return _row(program, offer, "skipped", missing), {}
    try:
        python = interpreter(offer, environments)
        with tempfile.TemporaryDirectory(prefix="samestep-loop-", dir=scratch.quietly()) as name:
            place = Place(python=python, environment=offer.environment, scratch=Path(name))
            times = run(program, "time", LOOPS, place)
            stops = run(program, "stop", LOOKED_INTO, place)
    except SetupError as error:
        return _row(program, offer, "failed", str(error)), {}
    return judged(program, offer, times, stops), {"time": times, "stop": stops}


def judged(program: Program, offer: FrameworkOffer, times: Mapping[str, Any], stops: Mapping[str, Any]) -> Row:
    """Return the row of what a program told; it is invalid where a product is wrong, traced or not."""
    pairs = list(zip(times["loops"], LOOPS, strict=True))
    looked = list(zip(stops["loops"], LOOKED_INTO, strict=True))
    faults = [faults_of_times(told, loop) for told, loop in pairs]
    faults += [fault(values, loop) for told, loop in looked for values in told["values"]]
    wrong = next(filter(None, faults), "")
    (seen,) = stops["loops"]
    return Row(
        program=program,
        title=offer.title,
        era=offer.era,
        status="invalid" if wrong else "ok",
        reason=wrong,
        python=times["python"],
        version=times["version"],
        costs=() if wrong else tuple(cost(told) for told in times["loops"]),
        stops=None if wrong else Stops(steps=seen["steps"], first=seen["first"], later=seen["later"]),
    )


def _row(program: Program, offer: FrameworkOffer, status: Status, reason: str) -> Row:
    return Row(program=program, title=offer.title, era=offer.era, status=status, reason=reason)
