"""`samestep doctor --deep`: a tiny cell of each framework and mode, really run, and what NVML really says, in minutes.

    frameworks that are set up → cells in order → trial, beside the readings → answers → tables, remedies, one file

A cell is run as every other replicate: the planner's cells, a launcher, the runner, the protocol with its gate and its
proof. Only the protocol is the shortest, and the run's folder is a temporary one. Nothing is installed or built unless
a framework is named, and nothing of the GPU is changed unless --lock-clocks is given.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.catalogue import Catalogue, FrameworkOffer, catalogue
from bench.records.record import Cell
from harness.doctor import programs, survey
from harness.doctor.checks import Check, examine
from harness.doctor.deep import attachment, findings
from harness.doctor.deep import cells as choice
from harness.doctor.deep.budget import Budget
from harness.doctor.deep.findings import Found
from harness.doctor.deep.gpu import Reader
from harness.doctor.deep.remedies import Place, again_with
from harness.doctor.deep.trial import Lines, Trial
from harness.environments import checkout
from harness.environments.venvs import Environments
from harness.errors import INTERRUPTED, SelectionError, SetupError
from harness.host import gpus, machine, nvidia, processors
from harness.launchers import choose
from harness.launchers.base import Launcher
from harness.plan import models, request, selection
from harness.plan.profiles import PROFILES
from harness.plan.selection import Selection
from harness.run import progress
from harness.run.active import ActiveRun
from harness.samplers.observer import Observer
from harness.store.facts import RunFacts
from harness.store.folder import RunFolder, create

MINUTES: Final = 3.0
LEAST_MINUTES, MOST_MINUTES = 0.1, 24 * 60.0
PREFIX: Final = "samestep-doctor-"  # of the temporary folder
OF_WORKERS: Final = "SAMESTEP_CPUS"  # set by compose.yaml: the CPU set of the workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed."""

    names: Selection = field(default_factory=Selection)  # frameworks and modes
    device: str = "cpu"
    launcher: str = choose.AUTO
    minutes: float = MINUTES
    lock_clocks: bool = False
    results: Path = Path("results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is tried, and with what."""

    run: ActiveRun
    launcher: Launcher
    budget: Budget
    absent: Mapping[str, str]  # by framework: why it is not set up
    unprepared: Mapping[str, str]  # by framework: why it cannot run; those that are absent as well


def run(asked: Asked) -> int:
    """Check this host deeply; return the exit code.

    Raises:
        SelectionError: an unknown name.
        SetupError: there is no GPU, nothing is set up, or nothing can run at all.
        SamestepError: what stopped the check; what it had found is printed and kept.
    """
    offer = catalogue()
    device = request.one_of("device", asked.device, request.DEVICES)
    request.one_of("launcher", asked.launcher, (choose.AUTO, *choose.LAUNCHERS))
    asked = replace(asked, names=begun(asked, os.environ))
    cells = choice.selected(offer, asked.names, device)
    _require_minutes(asked.minutes)
    if device == "cuda":
        require_gpu()
    path = attachment.path_in(asked.results)
    try:
        host = (*examine(survey.look(results=asked.results)), *programs.checks(offer.frameworks))
        asked = replace(asked, launcher=_launcher(asked, models.needed(offer.frameworks, cells)))
        with contextlib.ExitStack() as stack:
            found = _found(asked, offer, cells, host, stack)
    except KeyboardInterrupt:
        progress.say("Interrupted before a cell was tried.")
        return INTERRUPTED
    findings.show_all(found, path)
    if found.tried.stopped:  # there is no run to go on with
        raise type(found.tried.stopped)(str(found.tried.stopped).replace(", and go on with --resume", ""))
    return findings.code(found)


def begun(asked: Asked, environ: Mapping[str, str]) -> Selection:
    """Return the names that were typed; of workers without any, the frameworks that Compose has started (.env)."""
    if asked.launcher != "workers" or asked.names.framework:
        return asked.names
    named = environ.get("SAMESTEP_FRAMEWORK")
    profile = PROFILES.get(environ.get("SAMESTEP_PROFILE", ""))
    frameworks = selection.names(named) if named else tuple(profile.modes) if profile else ()
    return replace(asked.names, framework=frameworks)


def require_gpu() -> None:
    """Raise SetupError, one sentence with the remedy, where no NVIDIA GPU can be used."""
    name = gpus.wanted(os.environ, in_container=False)
    try:
        gpus.open_gpu(name).close()
    except nvidia.NvidiaError as error:
        raise SetupError(f"No NVIDIA GPU can be checked: {error}; without one: samestep doctor --deep.") from error


def not_set_up(launcher: str, device: str, frameworks: Sequence[str], root: Path = checkout.ROOT) -> Mapping[str, str]:
    """Return, by framework, why it has no environment yet, with the remedy: to make one takes minutes and gigabytes.

    Of other launchers than venv nothing is made, and they say what is missing when they are prepared.
    """
    if launcher != "venv":
        return {}
    made = Environments(root, device)
    place = Place(device=device, launcher=launcher, in_container=False)
    absent = {}
    for name in frameworks:
        try:
            text = made.damage(name) if made.python(name) else "it has no environment yet"
        except SetupError as error:
            absent[name] = str(error)
            continue
        if text:
            absent[name] = f"{text}: {again_with(place, name)} makes it and tries it"
    return absent


def _launcher(asked: Asked, frameworks: Sequence[str]) -> str:
    """Return the launcher that was typed, else the one of a run; docker also where it has the images of some."""
    name = choose.resolve(asked.launcher, frameworks, device=asked.device, say=progress.say)
    if asked.launcher != choose.AUTO or asked.names.framework:
        return name
    if len(not_set_up(name, asked.device, frameworks)) < len(frameworks):
        return name
    return choose.resolve(choose.AUTO, (), device=asked.device, say=progress.say)


def _found(
    asked: Asked, offer: Catalogue, cells: Sequence[Cell], host: Sequence[Check], stack: contextlib.ExitStack
) -> Found:
    """Try the cells and read the GPU; return what was found, whatever ended it."""
    prepared = _prepared(asked, offer, cells, stack)
    active, facts = prepared.run, prepared.run.facts
    in_container = choose.LAUNCHERS[asked.launcher].in_container
    gpu = gpus.wanted(os.environ, in_container=in_container)
    reader = None
    if asked.device == "cuda":
        gpus.require_free(gpu, progress.say, shared=True)
        reader = Reader(_opened(gpu))
        stack.callback(reader.close)
    observer = Observer(device=asked.device, gpu=gpu, say=progress.say, shared_gpu=True)
    stack.callback(observer.close)
    stack.enter_context(processors.away(facts.cpus))
    lines = Lines(progress.say, active.plan.replicates, prepared.budget)
    trial = Trial(
        active, prepared.launcher, prepared.unprepared, prepared.budget, observer=observer, show=lines, beside=reader
    )
    trial.all()
    if reader is not None and asked.lock_clocks:
        trial.then(reader.under_lock)
    place = Place(device=asked.device, launcher=asked.launcher, in_container=in_container)
    return findings.found(
        place, active, trial.tried, absent=prepared.absent, host=host, gpu=reader.seen if reader else None
    )


def _prepared(asked: Asked, offer: Catalogue, cells: Sequence[Cell], stack: contextlib.ExitStack) -> Prepared:
    """Make the launcher and the run's folder ready; what must be closed is put on `stack`.

    Raises:
        SetupError: nothing is set up, or nothing can run at all.
    """
    budget = Budget(60 * asked.minutes)
    used = models.needed(offer.frameworks, cells)
    is_named = bool(asked.names.framework)
    absent = {} if is_named else dict(not_set_up(asked.launcher, asked.device, used))
    _require_any(cells, absent)
    code = stack.enter_context(checkout.snapshot())
    launcher = choose.launcher(asked.launcher, choose.Wanted(device=asked.device, code=code))
    stack.callback(launcher.close)
    reasons = dict(launcher.prepare([name for name in used if name not in absent], progress.say))
    if is_named:  # making an environment is not counted
        budget = Budget(60 * asked.minutes)
    elif launcher.in_container:  # an image or a worker that is not there is nothing that fails
        absent |= reasons
        _require_any(cells, absent)
    able = [cell for cell in cells if not absent.keys() & set(models.needed(offer.frameworks, [cell]))]
    ordered = choice.in_order(able, offer.frameworks)
    folder = create(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))), "doctor")
    active = _run(asked, folder, ordered, offer)
    return Prepared(run=active, launcher=launcher, budget=budget, absent=absent, unprepared={**absent, **reasons})


def _run(asked: Asked, folder: RunFolder, cells: Sequence[Cell], offer: Catalogue) -> ActiveRun:
    """Return the run of the cells: one block, the shortest protocol."""
    plan = choice.plan(cells)
    profile = choice.protocol(asked.device)
    of_workers = os.environ.get(OF_WORKERS) if asked.launcher == "workers" else None
    cpus = processors.cpu_set(of_workers) if of_workers else processors.default_cpus()
    commit, dirty = checkout.commit()
    facts = RunFacts(
        id=folder.id,
        profile=profile.name,
        seed=plan.seed,
        blocks=plan.blocks,
        replicates=plan.replicates,
        started_unix_ns=time.time_ns(),
        wall_s=0.0,
        host=machine.host_facts(asked.device, cpus),
        commit=commit,
        dirty=dirty,
        launcher=asked.launcher,
        cpus=cpus,
        threads=len(cpus),
        frameworks=_used(offer, cells),
        device=asked.device,
        settings=profile.settings,
        shared_gpu=True,
    )
    return ActiveRun(folder=folder, plan=plan, facts=facts, settings=profile.settings)


def _used(offer: Catalogue, cells: Sequence[Cell]) -> tuple[FrameworkOffer, ...]:
    used = models.needed(offer.frameworks, cells)
    return tuple(framework for framework in offer.frameworks if framework.name in used)


def _require_any(cells: Sequence[Cell], absent: Mapping[str, str]) -> None:
    """Raise SetupError where no framework of the cells is set up."""
    if all(cell.framework in absent for cell in cells):
        name = cells[0].framework
        raise SetupError(f"No framework is set up here, so nothing can be tried; {name}: {absent[name]}.")


def _require_minutes(typed: float) -> None:
    if not LEAST_MINUTES <= typed <= MOST_MINUTES:  # also where it is not a number
        raise SelectionError(f"--minutes {typed:g}: give minutes, from {LEAST_MINUTES:g} to {MOST_MINUTES:g} (a day).")


def _opened(name: str) -> gpus.OpenGpu:
    try:
        return gpus.open_gpu(name)
    except nvidia.NvidiaError as error:
        raise SetupError(f"The GPU cannot be checked: {error}.") from error
