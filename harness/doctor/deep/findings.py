"""What a deep check found: put together, printed, kept in one file, and turned into an exit code."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.records.record import Cell
from harness.doctor import printing
from harness.doctor.checks import Check
from harness.doctor.deep import attachment, questions, remedies, show
from harness.doctor.deep.gpu import GpuReadings
from harness.doctor.deep.questions import Seen
from harness.doctor.deep.remedies import Place
from harness.doctor.deep.trial import FAILS, Tried, result_of
from harness.errors import INTERRUPTED, OK, SOME_FAILED, USAGE, StoreError
from harness.plan.models import sources
from harness.run.active import ActiveRun
from harness.stats.memory import Figures, figures
from harness.store.facts import RunFacts
from harness.terminal import shell
from harness.terminal import streams as terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that a deep check found."""

    place: Place
    facts: RunFacts
    host: Sequence[Check]  # as the plain doctor has them
    tried: Tried
    remedies: Mapping[str, str]  # by cell
    absent: Mapping[str, str]  # by framework: why it is not set up
    answers: Sequence[Check] = ()  # of the GPU
    gpu: GpuReadings | None = None


def found(
    place: Place,
    run: ActiveRun,
    tried: Tried,
    *,
    absent: Mapping[str, str],
    host: Sequence[Check],
    gpu: GpuReadings | None,
) -> Found:
    """Return what was found, with the answers and the remedies that follow; the run's folder is still there."""
    answers: Sequence[Check] = ()
    if gpu is not None:
        exported = sources(run.facts.frameworks)
        host_facts = run.facts.host
        seen = Seen(
            place=place,
            gpu=gpu,
            model=host_facts.gpu,
            driver=host_facts.driver,
            records=tried.records,
            figures=_figures(run, tried),
            exported=exported,
        )
        answers = questions.answers(seen)
    return Found(
        place=place,
        facts=run.facts,
        host=host,
        tried=tried,
        remedies={
            cell.id: remedies.remedy(record, place, limit_s=tried.limit_s.get(cell, 0.0))
            for cell, record in tried.records.items()
        },
        absent=absent,
        answers=answers,
        gpu=gpu,
    )


def show_all(found: Found, path: Path) -> None:
    """Print the tables and the remedies, and write the file at `path`."""
    console = terminal.console()
    print()
    if found.tried.records:
        show.cells(console, found.tried.records)
        print()
    show.reasons(found.tried, found.remedies)
    show.untried(found.tried, partial(remedies.again_with, found.place))
    for framework, why in found.absent.items():
        print(f"not set up: {framework}: {why}")
    if found.gpu is not None:
        print()
        printing.checks(console, found.answers, "of the GPU")
        print()
        show.calls(console, found.gpu.rest.costs)
    print()
    print(_verdict(found))
    _write(found, path)


def code(found: Found) -> int:
    """Return the exit code: whether all that was tried works."""
    results = Counter(map(result_of, found.tried.records.values()))
    if found.tried.interrupted:
        return INTERRUPTED
    if results[FAILS] or any(answer.status == "fail" for answer in found.answers):
        return SOME_FAILED
    return OK if found.tried.records else USAGE


def _verdict(found: Found) -> str:
    results = Counter(map(result_of, found.tried.records.values()))
    parts = [f"{word} {count}" for word, count in results.items()]
    parts += [f"not tried {len(found.tried.untried)}"] if found.tried.untried else []
    frameworks = f" Frameworks that are not set up: {', '.join(found.absent)}." if found.absent else ""
    return f"Cells: {', '.join(parts) or 'none tried'}.{frameworks}"


def _write(found: Found, path: Path) -> None:
    """Write the file; where that fails, say so: all is printed."""
    content = attachment.Content(
        facts=found.facts,
        checks=found.host,
        answers=found.answers,
        tried=found.tried,
        remedies=found.remedies,
        absent=found.absent,
        gpu=found.gpu,
    )
    try:
        attachment.write(path, content)
    except StoreError as error:
        print(f"samestep: {error}", file=sys.stderr)
        return
    print(f"For a report of a fault, attach {shell.path(path)}: {attachment.CONTENT}.")


def _figures(run: ActiveRun, tried: Tried) -> Mapping[Cell, Figures]:
    """Return the figures of the cells for memory that worked or were invalid."""
    records = {cell: record for cell, record in tried.records.items() if cell.track == "memory"}
    used = run.folder.samples.taken("device_used_bytes") if records and not run.folder.samples.is_empty else None
    return {cell: figures(record, used) for cell, record in records.items()}
