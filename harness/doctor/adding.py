"""What is missing, or wrong, for a framework: `samestep check NAME`. docs/adding.md has the same list as steps.

Nothing is imported of the framework: its file is read, as `bench.catalogue` reads it.
"""

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench.catalogue import DEVICES, IN_WORDS, FrameworkError, FrameworkOffer, framework_offer, programs_missing
from bench.interface import Framework
from bench.workloads import WORKLOADS
from harness.environments import guests, locks, npm
from harness.launchers import images

MOST_LINES: Final = 200  # of a framework's file
REQUIRED: Final = ("MODES", "BASELINE", "ENVIRONMENT")
COMPOSE: Final = "compose.yaml"
BATCH: Final = "batch"  # the profile of Compose that starts the engines
ERAS: Final = "eras"  # the one that starts the frameworks of the past
LOCK_IT: Final = "python -m harness.environments.locks"

Status = Literal["ok", "missing", "wrong", "optional"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One file or entry of a framework."""

    where: str  # the file, from the checkout
    status: Status
    found: str  # what is there, or is not
    remedy: str = ""  # what to do; of what is optional: what it is good for

    @property
    def is_met(self) -> bool:
        """Whether the framework is complete without anything done here."""
        return self.status in ("ok", "optional")


def needs(name: str, root: Path = locks.ROOT) -> tuple[Need, ...]:
    """Return everything that the framework `name` needs in the checkout at `root`, in the order of docs/adding.md."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        found = f"{name!r} is no name of a module"
        remedy = "choose one of small letters, digits and _, beginning with a letter"
        return (Need(where=f"bench/frameworks/{name}.py", status="wrong", found=found, remedy=remedy),)
    return (
        *_module(root, name),
        *_requirements(root, name),
        *_locks(root, name),
        *_compose(root, name),
        *_optional(root, name),
    )


def _module(root: Path, name: str) -> Iterator[Need]:
    path = root / "bench" / "frameworks" / f"{name}.py"
    where = str(path.relative_to(root))
    if not path.is_file():
        remedy = "write it after bench/frameworks/numpy.py, the shortest; bench/interface.py says what it has"
        yield Need(where=where, status="missing", found="the framework's own file", remedy=remedy)
        return
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:  # a null byte is no error of syntax
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        yield Need(where=where, status="wrong", found=line, remedy="mend the line")
        return
    faults = [*_faults(tree, source, name, root)]
    yield from (Need(where=where, status="wrong", found=found, remedy=remedy) for found, remedy in faults)
    if not faults:
        yield Need(where=where, status="ok", found="complete")


def _faults(tree: ast.Module, source: str, name: str, root: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in a framework's file, each with its remedy."""
    defined = _names(tree)
    members = {member for member in dir(Framework) if not member.startswith("_")} | set(Framework.__annotations__)
    for member in sorted(members - defined - set(REQUIRED)):
        kind = "the literal" if member.isupper() else "the function"
        yield f"{kind} {member} is not there", f"bench/interface.py says what {member} is"
    missing = [literal for literal in REQUIRED if literal not in defined]
    for literal in missing:
        yield f"the literal {literal} is not there", "bench/interface.py says what it has"
    if count := max(0, len(source.splitlines()) - MOST_LINES):
        remedy = f"move a part into bench/frameworks/_{name}.py, whose name begins with _"
        yield f"{MOST_LINES + count} lines, more than {MOST_LINES}", remedy
    if not missing:
        yield from _literal_faults(name, root)


def _literal_faults(name: str, root: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong in the literals of a framework's file."""
    try:
        offer = framework_offer(name, root / "bench")
    except FrameworkError as error:
        yield str(error).partition(": ")[2], "write MODES, BASELINE, ENVIRONMENT and the like out: no names, no calls"
        return
    if not offer.title or not offer.sentence.startswith(f"{offer.title}: "):
        yield "its docstring does not begin with its name", 'begin it so: """Name: what it is, in one sentence."""'
    modes = {mode.name for mode in offer.modes}
    if not modes:
        yield "MODES is empty", "name a mode, with a sentence on what happens in it"
    if silent := [mode.name for mode in offer.modes if not mode.sentence]:
        yield f"the mode {silent[0]} has no sentence", "say in one sentence what happens in it"
    if strange := sorted({mode.baseline for mode in offer.modes} - {"", *modes}):
        yield f"BASELINE names {strange[0]}, no mode of MODES", 'name one of them; "" for none'
    if strange := sorted({*offer.program_modes} - modes):
        yield f"PROGRAM_MODES names {strange[0]}, no mode of MODES", "name modes of MODES"
    asked = [device for device in locks.PYTHONS if locks.requirements(root, name, device).is_file()]
    if unasked := [device for device in offer.devices if asked and device not in asked]:
        remedy = f"add DEVICES = ({', '.join(map(repr, asked))},), or write images/{unasked[0]}/{name}.in"
        yield f"it computes on {unasked[0]} as well, for which images/ has no requirements", remedy
    if sentence := programs_missing(offer):
        found, _, remedy = sentence.rpartition(": ")
        yield found, remedy
    yield from _probe_and_workload_faults(offer, root, name)


def _probe_and_workload_faults(offer: FrameworkOffer, root: Path, name: str) -> Iterator[tuple[str, str]]:
    tree = ast.parse((root / "bench" / "frameworks" / f"{name}.py").read_text(encoding="utf-8"))
    if offer.limits and "probes" not in _names(tree):
        yield f'LIMITS is "{offer.limits}", and there is no probes', "define probes, or leave LIMITS out"
    if not offer.limits and "probes" in _names(tree):
        yield "probes is there, and no LIMITS", f'add LIMITS = "{name}", or the name of the library that computes'
    if strange := sorted(_keys(tree, "FORWARD") - set(WORKLOADS)):
        yield f"FORWARD names {strange[0]}, which is no workload", f"name some of {', '.join(WORKLOADS)}"


def _devices(root: Path, name: str) -> tuple[str, ...]:
    """Return the devices that the framework's file names; all where it cannot be read."""
    try:
        return framework_offer(name, root / "bench").devices
    except (FrameworkError, OSError):
        return DEVICES


def _requirements(root: Path, name: str) -> Iterator[Need]:
    device = _devices(root, name)[0]
    path = locks.requirements(root, name, device)
    where = str(path.relative_to(root))
    if not path.is_file():
        remedy = 'write two lines: "-r bench.in", then the package as on its index, such as "autograd==1.8.0"'
        yield Need(where=where, status="missing", found="what is to be installed", remedy=remedy)
        return
    included = re.findall(r"^-r (\w+)\.in$", path.read_text(encoding="utf-8"), re.MULTILINE)
    unknown = [
        other for other in included if other != "bench" and not locks.requirements(root, other, device).is_file()
    ]
    if not included or unknown:
        found = f"{unknown[0]}.in is not there" if unknown else "no line -r"
        remedy = "begin with -r bench.in, or with -r torch.in and the like to build on another framework"
        yield Need(where=where, status="wrong", found=found, remedy=remedy)
    else:
        yield Need(where=where, status="ok", found=f"builds on {', '.join(included)}")


def _locks(root: Path, name: str) -> Iterator[Need]:
    devices = _devices(root, name)
    for device in locks.PYTHONS:
        if device not in devices:
            continue
        asked = locks.requirements(root, name, device)
        lock = locks.lock_file(root, name, device)
        where = str(lock.relative_to(root))
        if not lock.is_file():
            found = f"every package for {device}, with its hash"
            if device == devices[0] or asked.is_file():
                yield Need(where=where, status="missing", found=found, remedy=f"{LOCK_IT} {name}")
            else:
                remedy = f"for {IN_WORDS[device]}: images/{device}/{name}.in and {LOCK_IT} {name}"
                yield Need(where=where, status="optional", found=found, remedy=remedy)
        elif asked.is_file() and (old := _unlocked(asked, lock)):
            found = f"{old} of {asked.relative_to(root)} is not in it"
            yield Need(where=where, status="wrong", found=found, remedy=f"{LOCK_IT} {name}")
        else:
            yield Need(where=where, status="ok", found="locked")
    yield from _node_lock(root, name)
    yield from _guest_lock(root, name)


def _node_lock(root: Path, name: str) -> Iterator[Need]:
    """Yield whether the packages of a guest in node are locked, for a framework that has one."""
    if not npm.requirements(root, name).is_file():
        return
    lock = npm.lock_file(root, name)
    where = str(lock.relative_to(root))
    if not lock.is_file():
        yield Need(where=where, status="missing", found="every package for node", remedy=f"{LOCK_IT} {name}")
    elif old := npm.unlocked(root, name):
        yield Need(where=where, status="wrong", found=f"{old} is not in it", remedy=f"{LOCK_IT} {name}")
    else:
        yield Need(where=where, status="ok", found="locked")


def _guest_lock(root: Path, name: str) -> Iterator[Need]:
    """Yield whether the packages of a guest in an older Python are locked, for a framework that has one."""
    asked, lock = guests.requirements(root, name), guests.lock_file(root, name)
    if asked is None or lock is None:
        return
    where = str(lock.relative_to(root))
    if not lock.is_file():
        yield Need(where=where, status="missing", found="every package of its guest", remedy=f"{LOCK_IT} {name}")
    elif old := _unlocked(asked, lock):
        yield Need(where=where, status="wrong", found=f"{old} is not in it", remedy=f"{LOCK_IT} {name}")
    else:
        yield Need(where=where, status="ok", found="locked")


def _unlocked(asked: Path, lock: Path) -> str:
    """Return the first package with a fixed version that the lock does not hold in that version; empty: none."""
    pins = {
        _plain(package): version
        for package, version in re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", lock.read_text(), re.MULTILINE)
    }
    wanted = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;*]+)$", asked.read_text(encoding="utf-8"), re.MULTILINE)
    return next((f"{package}=={version}" for package, version in wanted if pins.get(_plain(package)) != version), "")


def _plain(package: str) -> str:
    """Return a package's name as an index compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def service(name: str, root: Path = locks.ROOT) -> str:
    """Return the line of `name` in compose.yaml; while it has no requirements, as if it built on NumPy alone.

    Of samestep's profiles it names those that run every framework, and what its present line has beside them.
    """
    try:
        parent = images.parent(name, device="cpu", root=root)
        packages = images.system_packages(name, device="cpu", root=root)
        demanded = images.require_cuda(name, device="cpu", root=root)
    except (OSError, FrameworkError):
        parent, packages, demanded = locks.BASE, "", ""
    owner = locks.packages(root, name)
    arguments = [f"<<: *args, FRAMEWORK: {owner}"]
    arguments += [f"PARENT: {parent}"] if parent else []
    arguments += [f'SYSTEM_PACKAGES: "{packages}"'] if packages else []
    arguments += [f'REQUIRE_CUDA: "{demanded}"'] if demanded else []
    guest = guests.context(root, owner)
    arguments += [f"GUEST: {guest}"] if guest else []
    image = f'"samestep/{owner}:${{SAMESTEP_DEVICE:-cuda}}"'
    build = f"build: {{ <<: *{guest or 'build'}, args: {{ {', '.join(arguments)} }} }}"
    profiles = f"profiles: [{', '.join(_profiles(name, root))}]"
    return f"  {name}: {{ <<: *worker, {profiles}, image: {image}, {build}, command: {name} }}"


def _profiles(name: str, root: Path) -> list[str]:
    """Return the profiles of a service: its own name, what its line in compose.yaml names, those of every service.

    An engine, which takes part in the runs that name it or a batch, has BATCH instead of the last, and a framework of
    the past ERAS.
    """
    compose = (root / COMPOSE).read_text(encoding="utf-8")
    lines = re.findall(r"^  (\w+): .*<<: \*worker, profiles: \[([^\]]*)\]", compose, re.MULTILINE)
    of = {service: listed.replace(" ", "").split(",") for service, listed in lines}
    present = of.pop(name, [])
    trainers = [listed for listed in of.values() if not {BATCH, ERAS} & {*listed}]
    every = [one for one in next(iter(trainers), []) if all(one in listed for listed in trainers)]
    every = _instead(root, name) or every
    return [name, *(one for one in present if one not in (name, *every)), *every]


def _instead(root: Path, name: str) -> list[str]:
    """Return the profile of a framework that no run takes by default; empty: it is, or its file cannot be read."""
    try:
        offer = framework_offer(name, root / "bench")
    except (FrameworkError, OSError):
        return []
    return [ERAS] if offer.exhibit else [] if offer.trains else [BATCH]


def _compose(root: Path, name: str) -> Iterator[Need]:
    devices = [device for device in locks.PYTHONS if locks.requirements(root, name, device).is_file()]
    if devices and devices != list(locks.PYTHONS):
        found = f"no service: it is for {devices[0]} only, so docker compose up leaves it out"
        yield Need(where=COMPOSE, status="ok", found=found)
        return
    text = (root / COMPOSE).read_text(encoding="utf-8")
    line = service(name, root)
    present = re.search(rf"^  {name}:.*$", text, re.MULTILINE)
    if not present:
        remedy = f"add under services:\n{line}"
        yield Need(where=COMPOSE, status="missing", found=f"the service {name}", remedy=remedy)
    elif present[0] != line:
        yield Need(where=COMPOSE, status="wrong", found=f"the service {name} differs", remedy=f"write\n{line}")
    waits = re.search(rf"^    depends_on:.*\n(?: {{6}}.*\n)*? {{6}}{name}: [&*]if-started", text, re.MULTILINE)
    if not waits:
        remedy = f"add to depends_on of the service harness:\n      {name}: *if-started"
        yield Need(where=COMPOSE, status="missing", found="its place in depends_on", remedy=remedy)
    elif present and present[0] == line:
        yield Need(where=COMPOSE, status="ok", found="the service, and its place in depends_on")


def _optional(root: Path, name: str) -> Iterator[Need]:
    files = (
        ("bench/hello", "the hello world", "is shown, counted and measured from a cold start"),
        ("harness/standalone/programs", "the program without samestep", "is what make standalone compares with"),
    )
    for folder, found, use in files:
        path = root / folder / f"{name}.py"
        is_there = path.is_file()
        yield Need(
            where=f"{folder}/{name}.py",
            status="ok" if is_there else "optional",
            found=found if is_there else f"{found} is not there",
            remedy="" if is_there else use,
        )
    module = root / "bench" / "frameworks" / f"{name}.py"
    if module.is_file() and "probes" not in module.read_text(encoding="utf-8", errors="replace"):
        yield Need(
            where=str(module.relative_to(root)),
            status="optional",
            found="no probes",
            remedy="LIMITS and probes measure what its library reaches here",
        )


def _names(tree: ast.Module) -> set[str]:
    """Return the names that a module defines or imports from elsewhere, at its top."""
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    assigned = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    imported = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return assigned | functions | imported


def _keys(tree: ast.Module, literal: str) -> set[str]:
    """Return the keys of a dictionary that a module's top level writes out; those that are no text are left out."""
    for node in tree.body:
        value: Any = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        if literal in names and isinstance(value, ast.Dict):
            return {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return set()
