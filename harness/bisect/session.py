"""A bisection from the command line to the answer: versions → measurements → the pair, all of it on disk."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.bisect import search, verdicts, words
from harness.bisect.candidates import candidates
from harness.bisect.environments import Resolvable, locked_packages
from harness.bisect.facts import Asked, Bisection, Failed, Outcome
from harness.bisect.folder import FILE, SCHEMA, BisectFolder
from harness.bisect.measure import Measurer, RealMeasurer
from harness.bisect.search import Found, Next
from harness.bisect.verdicts import Told
from harness.environments import pins
from harness.errors import INTERRUPTED, OK, MachineError, SamestepError, SetupError
from harness.run.progress import say
from harness.store.folder import RunFolder, create
from harness.terminal import shell

WhyNot = Callable[[str], str]
Packages = Callable[[RunFolder, str], Mapping[str, str]]


def begin(asked: Asked, one: str, other: str, results: Path) -> int:
    """Bisect from one version to the other; return the exit code.

    Raises:
        SelectionError: a version that was not published.
        SetupError: an end cannot be resolved or measured.
    """
    resolvable = Resolvable(asked.framework, asked.device)
    distribution = resolvable.distribution()
    versions = candidates(distribution, resolvable.published(), one, other)
    for end in (versions[0], versions[-1]):
        if reason := resolvable.why_not(end):
            raise _unmeasured(distribution, end, reason)
    run_id = time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + f"bisect-{asked.framework}"
    folder = BisectFolder(create(results, run_id).path)
    bisection = Bisection(
        schema=SCHEMA,
        id=folder.path.name,
        started_unix_ns=time.time_ns(),
        asked=asked,
        distribution=distribution,
        versions=versions,
    )
    folder.write(bisection)
    try:
        return _locked(folder, bisection, resolvable.why_not)
    except SamestepError:
        folder.discard()
        raise


def resume(results: Path, name: str) -> int:
    """Go on with a bisection that was interrupted, or say its answer again; return the exit code.

    Args:
        results: the folder of the runs.
        name: the bisection's id there, or the path of its folder.

    Raises:
        StoreError: there is no such bisection, or it is damaged.
    """
    folder = BisectFolder(results / name if (results / name / FILE).is_file() else Path(name))
    bisection = folder.read()
    return _locked(folder, bisection, Resolvable(bisection.asked.framework, bisection.asked.device).why_not)


def _locked(folder: BisectFolder, bisection: Bisection, why_not: WhyNot) -> int:
    folder.lock()
    measure = RealMeasurer(folder, bisection.asked, bisection.versions)
    try:
        return go_on(folder, bisection, measure, why_not, locked_packages)
    except (KeyboardInterrupt, MachineError) as reason:
        done = len(folder.read().measurements)
        say(f"Stopped: {done} {'measurement is' if done == 1 else 'measurements are'} kept in {folder.path}.")
        say(f"Go on with: {shell.samestep('bisect', '--resume', shell.path(folder.path))}")
        if isinstance(reason, MachineError):
            raise
        return INTERRUPTED
    finally:
        folder.unlock()


def go_on(folder: BisectFolder, bisection: Bisection, measure: Measurer, why_not: WhyNot, packages: Packages) -> int:
    """Measure until there is an answer, and say it; return the exit code.

    Args:
        folder: where all of it is written.
        bisection: what is known so far.
        measure: makes a measurement.
        why_not: why a version cannot be resolved; empty: it can.
        packages: the versions of all distributions that a run had beside one of the versions.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
        SamestepError: an end cannot be measured, or the machine or the disk is at fault.
    """
    for line in words.beginning(bisection):
        say(line)
    while isinstance(step := _decided(bisection), Next):
        number = len(bisection.measurements) + 1
        begun = measure.begun(number)
        if not begun and (lacking := _first_unresolved(step.versions, bisection, why_not)):
            say(f"{lacking.version}: left out: {lacking.reason}")
            bisection = replace(bisection, failed=(*bisection.failed, lacking))
            folder.write(bisection)
            continue
        say(words.begins(number, begun or step.versions))
        measurement = measure(number, begun or step.versions)
        old = {each.version for each in bisection.failed} | {v for m in bisection.measurements for v in m.held}
        new = tuple(each for each in measurement.failed if each.version not in old)
        for each in new:
            if each.version in (bisection.versions[0], bisection.versions[-1]):
                raise _unmeasured(bisection.distribution, each.version, each.reason)
        bisection = replace(
            bisection,
            failed=(*bisection.failed, *new),
            measurements=(*bisection.measurements, measurement),
        )
        folder.write(bisection)
        for line in words.told(measurement, verdicts.told(bisection.measurements, bisection.asked.measure)):
            say(line)
    verdict = _verdict(bisection, step)
    outcome = _outcome(folder, bisection, step, verdict, packages)
    bisection = replace(bisection, outcome=outcome)
    folder.write(bisection)
    for line in (*words.answer(bisection, step, verdict, outcome), *words.looking(folder, bisection, outcome)):
        say(line)
    return OK


def _decided(bisection: Bisection) -> Next | search.Answer:
    return search.decide(
        bisection.versions,
        {each.version for each in bisection.failed},
        verdicts.seen(bisection.measurements, bisection.asked.measure),
    )


def _first_unresolved(versions: tuple[str, ...], bisection: Bisection, why_not: WhyNot) -> Failed | None:
    measured = {version for each in bisection.measurements for version in each.held}
    for version in versions:
        if version not in measured and (reason := why_not(version)):
            if version in (bisection.versions[0], bisection.versions[-1]):
                raise _unmeasured(bisection.distribution, version, reason)
            return Failed(version=version, reason=reason)
    return None


def _unmeasured(distribution: str, version: str, reason: str) -> SetupError:
    return SetupError(
        f"{distribution} {version}, an end of the bisection, cannot be measured: {reason.rstrip('.')}."
        " Name another version."
    )


def _verdict(bisection: Bisection, step: search.Answer) -> Told | None:
    """Return what the last measurement of both versions of the answer, with those before it, tells of them."""
    for count in range(len(bisection.measurements), 0, -1):
        for each in verdicts.told(bisection.measurements[:count], bisection.asked.measure):
            if each.pair == (step.older, step.newer):
                return each
    return None


def _outcome(
    folder: BisectFolder, bisection: Bisection, step: search.Answer, verdict: Told | None, packages: Packages
) -> Outcome:
    found = step if isinstance(step, Found) else None
    ratio = verdict.ratio if verdict else None
    interval = ratio.interval if ratio else None
    outcome = Outcome(
        older=step.older,
        newer=step.newer,
        found=found is not None,
        ratio=ratio.value if ratio else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        between=tuple(search.between(bisection.versions, (step.older, step.newer))) if found else (),
        others=found.others if found else (),
        changed=(),
    )
    holding = words.holding(bisection, outcome)
    if found is None or holding is None:
        return outcome
    run = RunFolder(folder.path / holding.run)
    own = bisection.distribution
    older, newer = ({**packages(run, version), own: ""} for version in (step.older, step.newer))
    return replace(outcome, changed=pins.changes(older, newer, own))
