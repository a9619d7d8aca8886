"""From the facts of a run to a request with its locks, and how the environments of the two runs compare.

The environments are those of the run: their locks are in its folder. The code is that of this checkout, and the host is
this one. Where they are others, sentences say so before anything runs.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from harness import session
from harness.compare import installed
from harness.environments import checkout
from harness.errors import SelectionError, StoreError
from harness.host import gpus, machine, processors
from harness.launchers.choose import LAUNCHERS
from harness.plan import specs
from harness.plan.plan import Plan
from harness.plan.planner import planned_run
from harness.plan.profiles import PROFILES
from harness.plan.request import Request, Setting
from harness.plan.selection import FIELDS, Selection
from harness.run import progress
from harness.store import locks
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder, find, latest
from harness.store.resume import host_differences
from harness.terminal import shell

SHOWN: Final = 3  # files in a sentence
NEWEST: Final = 5  # runs among which the new one is: others may begin meanwhile
REFUSED: Final = "--no-alternate was given"


def rerun(name: str, results: Path) -> int:
    """Make the run called `name` again, as a new run in `results`; return its exit code.

    Raises:
        StoreError: there is no such run, or its folder has not all that it needs.
        SelectionError: this host has fewer processors than the run had.
    """
    folder = find(results, name)
    facts, plan = folder.facts(), folder.plan()
    _require_locks(folder, facts)
    requested, setting = request_of(facts), setting_of(facts, folder.path, results, None if plan.looks else plan.blocks)
    for sentence in (*differences(facts), *_of_plan(plan, requested, setting)):
        progress.say(sentence)
    code = session.run(requested, setting)
    for sentence in _compared(folder, results):
        progress.say(sentence)
    return code


def request_of(facts: RunFacts) -> Request:
    """Return what was asked for in a run, its variants by their names alone."""
    given = {name: tuple(specs.joined(names.split(","))) for name, _, names in map(_parted, facts.selection)}
    return Request(
        selection=Selection(**{name: names for name, names in given.items() if name in FIELDS}),
        measures=given.get("measure", ()),
        profile=facts.profile,
        device=facts.device,
        seed=facts.seed,
        kept=tuple(variant.framework_id for variant in facts.variants),
    )


def setting_of(facts: RunFacts, run: Path, results: Path, blocks: int | None) -> Setting:
    """Return where and with what a run is made again: as it was, on as many processors of this host.

    Args:
        facts: of the run.
        run: its folder.
        results: the folder of the new run.
        blocks: how many it had; None: the profile says when it ends.

    Raises:
        SelectionError: this host gives fewer processors.
    """
    data = Path(facts.data) if facts.data else None
    return Setting(
        results=results,
        launcher=facts.launcher,
        cpus=",".join(map(str, cpus_like(facts.cpus, processors.all_cpus(), processors.default_cpus()))),
        threads=facts.threads,
        timeout_s=facts.timeout_s,
        blocks=blocks,
        shared_gpu=facts.shared_gpu,
        env=facts.env,
        data=data if data and data.is_dir() else None,
        alternate=facts.alternates or (False if facts.not_alternating == REFUSED else None),
        again=run,
    )


def cpus_like(before: Sequence[int], usable: Sequence[int], default: Sequence[int]) -> tuple[int, ...]:
    """Return as many processors as a run had: the same ones where they can be used.

    Args:
        before: those of the run; none: all.
        usable: those that this process may use.
        default: those that a run has by default, which leaves some to the harness.

    Raises:
        SelectionError: there are fewer.
    """
    if not before:
        return tuple(usable)
    if set(before) <= set(usable):
        return tuple(before)
    if len(usable) < len(before):
        raise SelectionError(
            f"The run had {len(before)} processors, this host gives {len(usable)}: what is measured on fewer is another"
            " run, which `samestep run` starts."
        )
    return tuple(default if len(default) >= len(before) else usable)[: len(before)]


def differences(facts: RunFacts) -> Iterator[str]:
    """Yield a sentence for each thing that is not as it was: the code, the profile's numbers, the host."""
    commit, dirty = checkout.commit()
    before = {name: digest for name, digest in facts.code if not name.startswith(locks.IMAGES)}
    now = dict(checkout.code([offer.name for offer in facts.frameworks], facts.device, hello=_hello(before)))
    now = {name: digest for name, digest in now.items() if not name.startswith(locks.IMAGES)}
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        remedy = f": git checkout {facts.commit}" if facts.commit and not facts.dirty else ""
        yield (
            f"The code is not that of the run: {', '.join(changed[:SHOWN])}{more}. It was commit"
            f" {_commit(facts.commit, dirty=facts.dirty)}, this is {_commit(commit, dirty=dirty)}{remedy}"
        )
    elif facts.commit != commit:
        yield (
            f"Commit {_commit(commit, dirty=dirty)} runs what {_commit(facts.commit, dirty=facts.dirty)} ran: no file"
            " that a replicate executes has changed"
        )
    profile = PROFILES.get(facts.profile)
    if profile is not None and facts.settings not in (None, profile.settings):
        yield f"The profile {facts.profile} has other numbers than it had"
    gpu = gpus.wanted(os.environ, in_container=LAUNCHERS[facts.launcher].in_container)
    if other := host_differences(facts.host, machine.host_facts(facts.device, facts.cpus, gpu=gpu)):
        yield f"The host is not that of the run: {'; '.join(other)}"


def _of_plan(plan: Plan, requested: Request, setting: Setting) -> Iterator[str]:
    """Yield a sentence where this samestep plans other cells for the same request."""
    now = planned_run(requested, launchers=setting.launcher, blocks=setting.blocks, say=progress.say).plan.cells
    gone, new = len(set(plan.cells) - set(now)), len(set(now) - set(plan.cells))
    if gone or new:
        yield f"This samestep plans other cells for it: {gone} of the {len(plan.cells)} are gone, {new} are new"


def _require_locks(folder: RunFolder, facts: RunFacts) -> None:
    """Raise StoreError for a run whose environments its folder cannot give."""
    if facts.hosts:
        raise StoreError(f"{folder.id} was collected from a fleet, and is made again by samestep fleet.")
    if facts.launcher not in LAUNCHERS or facts.launcher == "workers":
        raise StoreError(f"{folder.id} ran by docker compose up, which makes it again.")
    if LAUNCHERS[facts.launcher].takes_python:
        raise StoreError(f"{folder.id} ran in an interpreter of its own ({facts.interpreter}), which has no lock.")
    if not (folder.path / locks.FOLDER).is_dir():
        raise StoreError(
            f"{folder.id} has no folder {locks.FOLDER}: it is of an older samestep, and is not made again from its"
            f" folder. Its selection was {' '.join(f'--{option}' for option in facts.selection) or 'the default'}."
        )
    if LAUNCHERS[facts.launcher].in_container:
        _require_images(folder, facts)


def _require_images(folder: RunFolder, facts: RunFacts) -> None:
    """Raise StoreError where the images of this checkout are installed from other locks than the run's."""
    for name, digest in facts.code:
        path = checkout.ROOT / name
        if name.startswith(locks.IMAGES) and not (
            path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
        ):
            commit = f"git checkout {facts.commit}" if facts.commit else "take the checkout of the run"
            raise StoreError(
                f"{folder.id} ran in images that are built from the checkout, and {name} is not that of the run:"
                f" {commit}, then samestep build."
            )


def _compared(before: RunFolder, results: Path) -> Iterator[str]:
    """Yield how the environments of the run and of the one just made compare, and the command that compares both."""
    for again in latest(results)[:NEWEST]:
        with contextlib.suppress(StoreError):
            facts = again.facts()
            if facts.again == before.id:
                yield from filter(None, [installed.sentence(before.facts(), facts)])
                yield f"Compare with: {shell.samestep('compare', shell.path(before.path), shell.path(again.path))}"
                return


def _hello(names: Iterable[str]) -> Iterator[str]:
    """Yield the frameworks whose hello world is among the files of a run."""
    yield from (Path(name).stem for name in names if name.startswith("bench/hello/"))


def _commit(commit: str, *, dirty: bool) -> str:
    return f"{commit[:12] or 'unknown'}{' with changes' if dirty else ''}"


def _parted(option: str) -> tuple[str, str, str]:
    return option.partition("=")
