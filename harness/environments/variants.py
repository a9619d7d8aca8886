"""A variant of a framework's environment: another version of its packages, a wheel, another Python.

    jax@0.9.2                           the framework's own distribution in that version
    keras_jax@keras==3.14,jax==0.10.2   packages of its lock by their names
    torch@path/to/torch-2.13.0-….whl    a wheel in place of what is published
    numpy@2.3.5,py3.13                  another Python, alone or beside the others

The framework's own distribution is the first that its .in file asks for. All else of its lock is held where it can be:
the resolver gets the lock's versions as preferences. What it finds is a lock of its own, in the folder of the run.
"""

import difflib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.environments import interpreters, locks, pins, unresolved, venvs, wheels
from harness.environments.venvs import RunCommand
from harness.environments.wheels import Wheel
from harness.errors import SamestepError, SelectionError, SetupError
from harness.format import shortened_name

AT: Final = "@"
PYTHON: Final = re.compile(r"py(\d\.\d+)")
OLDEST: Final = (3, 11)  # Python that runs bench/
LONGEST_NAME: Final = 80  # characters of a variant in the name of its lock
Explain = Callable[[str, Sequence[str], str, str], SamestepError]  # variant, pins, Python, what uv wrote
FORMS: Final = "a version, package==version, py3.13 or the path of a wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A variant as it was typed, parsed."""

    framework: str
    name: str  # `Cell.variant`: no path is in it, a wheel is its version and the beginning of its SHA-256
    pins: tuple[str, ...] = ()  # such as "jax==0.9.2"; the framework's own distribution first
    wheels: tuple[Path, ...] = ()
    python: str = ""  # such as "3.13"; empty: the lock's

    @property
    def framework_id(self) -> str:
        """The framework and its variant, as `Cell.framework_id`."""
        return f"{self.framework}{AT}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A variant with its lock, as run.json keeps it."""

    framework: str
    name: str  # `Cell.variant`
    python: str  # such as "3.11"
    lock: str  # name of its file in the folder `locks` of the run
    sha256: str  # of that file
    changed: tuple[str, ...] = ()  # what differs from the framework's own lock: "jaxlib 0.10.2 -> 0.9.2"
    wheels: tuple[str, ...] = ()  # names of its files in `locks/wheels`

    @property
    def framework_id(self) -> str:
        """The framework and its variant, as `Cell.framework_id`."""
        return f"{self.framework}{AT}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """What the spec of a variant names."""

    pins: Mapping[str, str] = field(default_factory=dict)  # by package, its version
    wheels: Mapping[str, Wheel] = field(default_factory=dict)  # by package
    python: str = ""


def parsed(spec: str, root: Path, device: str) -> Variant:
    """Return the variant that was typed, such as "jax@0.9.2".

    Args:
        spec: a framework, "@", and items separated by commas.
        root: the checkout, which has the framework's requirements and its lock.
        device: "cpu" or "cuda".

    Raises:
        SelectionError: it cannot be read, or names what the framework's lock does not have.
    """
    name, _, text = spec.partition(AT)
    framework = name.strip().replace("-", "_")
    own = distribution(root, framework, device)
    locked = pins.of(locks.lock_file(root, framework, device).read_text(encoding="utf-8"))
    items = _Items()
    for item in [each.strip() for each in text.split(",") if each.strip()]:
        items = _with(items, item, spec=spec, own=own, locked=locked)
    if items == _Items():
        raise SelectionError(f"{spec!r} names no variant: write {FORMS} after {AT}.")
    python = items.python or locks.PYTHONS[device]
    for wheel in items.wheels.values():
        wheels.require_fit(wheel, python, locks.wheels_for(root, framework, device))
    asked = sorted(items.pins, key=lambda package: (package != own, package))
    return Variant(
        framework=framework,
        name=_name(items, own),
        pins=tuple(f"{package}=={items.pins[package]}" for package in asked),
        wheels=tuple(wheel.path for _, wheel in sorted(items.wheels.items())),
        python=items.python,
    )


def distribution(root: Path, framework: str, device: str) -> str:
    """Return the framework's own distribution, which a bare version is of, such as "keras" of keras_jax.

    Raises:
        SelectionError: there is no such framework, or what it computes with is not in its lock.
    """
    if (owner := locks.packages(root, framework)) != framework:
        raise SelectionError(f"{framework} runs in the environment of {owner} and has no variants of its own.")
    try:
        asked = locks.requirements(root, framework, device).read_text(encoding="utf-8")
        locked = pins.of(locks.lock_file(root, framework, device).read_text(encoding="utf-8"))
    except OSError as error:
        raise SelectionError(
            f"{shortened_name(framework)} has no lock for {device}, which a variant of it would change."
        ) from error
    own = pins.first_asked(asked) or framework
    if own not in locked:
        raise SelectionError(f"{framework} computes in a guest, whose packages a variant does not change.")
    return own


def _with(items: _Items, item: str, *, spec: str, own: str, locked: Mapping[str, str]) -> _Items:
    """Return `items` and one more; raises SelectionError."""
    if found := PYTHON.fullmatch(item):
        if items.python:
            raise SelectionError(f"{spec!r} names two Pythons: leave one out.")
        if tuple(map(int, found[1].split("."))) < OLDEST:
            raise SelectionError(f"{item}: what runs beside the frameworks needs Python 3.11 or newer.")
        return replace(items, python=found[1])
    if item.endswith(".whl"):
        wheel = wheels.read(Path(item))
        _require_new(wheel.name, items, spec)
        _require_locked(wheel.name, f"{wheel.path.name} is of {wheel.name}, which", spec, locked)
        return replace(items, wheels={**items.wheels, wheel.name: wheel})
    typed, is_named, version = item.rpartition("==")
    package = canonicalize_name(typed.strip()) if is_named else own
    try:
        canonical = str(Version(version.strip()))
    except InvalidVersion as error:
        raise SelectionError(f"{shortened_name(item)!r} in {shortened_name(spec)!r} is not {FORMS}.") from error
    _require_new(package, items, spec)
    _require_locked(package, package, spec, locked)
    return replace(items, pins={**items.pins, package: _of_build(package, canonical, locked[package])})


def _require_new(package: str, items: _Items, spec: str) -> None:
    if package in items.pins or package in items.wheels:
        raise SelectionError(f"{spec!r} names {package} twice: leave one out.")


def _require_locked(package: str, what: str, spec: str, locked: Mapping[str, str]) -> None:
    if package in locked:
        return
    near = difflib.get_close_matches(package, locked, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    framework = spec.partition(AT)[0]
    raise SelectionError(
        f"{shortened_name(what)} is not in the lock of {framework}: a variant changes its packages.{hint}"
    )


def _of_build(package: str, version: str, locked: str) -> str:
    """Return a version with the build of the locked one: PyTorch without CUDA is 2.13.0+cpu, else gigabytes more."""
    build, typed = Version(locked).local, Version(version).local
    if build and typed and typed != build:
        raise SelectionError(f"{package} {version} is another build than the lock's {locked}: leave out +{typed}.")
    return f"{version}+{build}" if build and not typed else version


def _name(items: _Items, own: str) -> str:
    """Return the name of a variant: its packages in a fixed order, then its Python."""
    versions = {**items.pins, **{name: wheel.label for name, wheel in items.wheels.items()}}
    if list(versions) == [own]:
        words = [versions[own]]
    else:
        words = [f"{name}=={versions[name]}" for name in sorted(versions, key=lambda name: (name != own, name))]
    return ",".join([*words, *([f"py{items.python}"] if items.python else [])])


def resolve(
    variant: Variant,
    root: Path,
    device: str,
    folder: Path,
    *,
    run: RunCommand = venvs.run_uv,
    find: Callable[[str], Path] = interpreters.find,
    explain: Explain = unresolved.explained,
) -> Resolved:
    """Write the lock of a variant into `folder`, and copy its wheels into `folder`/wheels.

    Args:
        variant: as it was parsed.
        root: the checkout.
        device: "cpu" or "cuda".
        folder: the folder `locks` of the run.
        run: runs uv.
        find: finds an interpreter, if the variant names one.
        explain: makes the error of what uv cannot resolve.

    Raises:
        SelectionError: there is no such version, or it does not fit the interpreter or the other packages.
        SetupError: the interpreter is not at hand, or the network.
    """
    if variant.python:
        find(variant.python)
    own = locks.lock_file(root, variant.framework, device)
    python = variant.python or locks.PYTHONS[device]
    given = [_kept(wheels.read(path), folder / venvs.WHEELS) for path in variant.wheels]
    wanted = {pin.partition("==")[0]: f"=={pin.partition('==')[2]}" for pin in variant.pins}
    wanted |= {wheel.name: f" @ {wheel.path.as_uri()}" for wheel in given}
    with locks.effective(root, device) as asked:
        lock = asked / f"variant.{device}-py{python.replace('.', '')}.txt"
        shutil.copyfile(own, lock)  # uv prefers the versions that it finds there
        options = locks.for_platform(python, locks.wheels_for(root, variant.framework, device))
        file = pins.write(asked, variant.framework, wanted)
        options += locks.find_links_of_variant(own.read_text(encoding="utf-8"), os.environ, folder / venvs.WHEELS)
        # The folder has pyproject.toml, which says what some packages really require.
        code, stderr = run(["--directory", str(root), *locks.compiling(lock), *options, str(file)])
        if code:
            raise explain(variant.framework_id, variant.pins, python, stderr)
        text = _without_paths(lock.read_text(encoding="utf-8"), given)
    target = folder / _lock_name(variant, device, python)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return Resolved(
        framework=variant.framework,
        name=variant.name,
        python=python,
        lock=target.name,
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
        changed=_changed(own, text, python, given, distribution(root, variant.framework, device)),
        wheels=tuple(wheel.path.name for wheel in given),
    )


def _kept(wheel: Wheel, folder: Path) -> Wheel:
    """Copy a wheel into `folder`, where another of its name gets a build tag; return the copy."""
    folder.mkdir(parents=True, exist_ok=True)
    name = wheel.path.name
    if (folder / name).is_file() and wheels.read(folder / name).sha256 != wheel.sha256:
        head, version, *_, python, abi, platform = name.split("-")
        name = "-".join((head, version, f"0x{wheel.sha256[: wheels.DIGITS]}", python, abi, platform))
    if not (folder / name).is_file():
        shutil.copyfile(wheel.path, folder / name)
    return replace(wheel, path=folder / name)


def _without_paths(text: str, given: Sequence[Wheel]) -> str:
    """Return a lock in which wheels that were given stand as versions with their hashes."""
    for wheel in given:
        block = re.compile(rf"^{re.escape(wheel.name)} @ file:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
        text = block.sub(f"{wheel.name}=={wheel.version} \\\\\n    --hash=sha256:{wheel.sha256}\n", text)
    if "file:" in text or "://" in text:
        raise SetupError("A lock of a variant would have a path or an address in it: name packages by their versions.")
    return text


def _changed(own: Path, text: str, python: str, given: Sequence[Wheel], first: str) -> tuple[str, ...]:
    before, after = pins.of(own.read_text(encoding="utf-8")), pins.of(text)
    after |= {wheel.name: wheel.label for wheel in given}
    of_python = locks.python_of(own)
    found = pins.changes(before, after, first)
    return found if python == of_python else (*found, f"python {of_python} -> {python}")


def _lock_name(variant: Variant, device: str, python: str) -> str:
    """Return the name of a variant's lock, such as "jax@0.9.2.cpu-py311.txt"; a long one is cut and has a digest."""
    name = re.sub(r"[^\w.+-]+", "-", variant.name)
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[: wheels.DIGITS]}"
    return f"{variant.framework}{AT}{name}.{device}-py{python.replace('.', '')}.txt"
