"""The locks of a run, kept in its folder: it can be resumed and made again from there alone.

locks/<framework>.<device>-py3XX.txt    the lock of each framework that took part, and of its guest
locks/<framework>@<variant>…            the lock of a variant, as `Resolved.lock` calls it
locks/wheels/                           wheels that a variant was given as files
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.environments.locks import lock_file, tag
from harness.environments.variants import Resolved
from harness.environments.venvs import WHEELS
from harness.errors import StoreError
from harness.store.facts import RunFacts
from harness.terminal.failures import first_of

FOLDER: Final = "locks"
IMAGES: Final = "images/"  # of the checkout: what frameworks are installed from


def by_variant(variants: Iterable[Resolved], folder: Path) -> dict[str, Path]:
    """Return the locks in `folder` by variant, such as "jax@0.9.2"."""
    return {variant.framework_id: folder / variant.lock for variant in variants}


def keep(code: Path, facts: RunFacts, run: Path) -> None:
    """Copy the locks of a run's frameworks and variants from the snapshot `code` into the folder of the run.

    Raises:
        StoreError: they cannot be written.
    """
    try:
        if (code / FOLDER).is_dir():
            shutil.copytree(code / FOLDER, run / FOLDER, dirs_exist_ok=True)
        for name, _ in _of_frameworks(facts):
            (run / FOLDER).mkdir(exist_ok=True)
            shutil.copyfile(code / name, run / FOLDER / Path(name).name)
    except OSError as error:
        raise StoreError(f"{run / FOLDER} cannot be written: {first_of(error).strerror or error}.") from error


def kept(variants: Iterable[Resolved], run: Path) -> Mapping[str, Path]:
    """Return the locks in the folder of a run by variant.

    Raises:
        StoreError: one is not there, or is not the one that the run began with.
    """
    found = {}
    for variant in variants:
        path = found[variant.framework_id] = run / FOLDER / variant.lock
        _require_same(path, variant.sha256, variant.framework_id)
    return found


def put_back(facts: RunFacts, run: Path, code: Path) -> tuple[Resolved, ...]:
    """Put the locks of a run that is made again in place of those of the snapshot `code`; return its variants.

    Raises:
        StoreError: a lock is not there, or is not the one that the run began with; or it is for another Python.
    """
    of_frameworks = list(_of_frameworks(facts))
    for name, digest in of_frameworks:
        _require_same(run / FOLDER / Path(name).name, digest, Path(name).name.partition(".")[0])
    kept(facts.variants, run)
    owners = {Path(name).name.partition(".")[0] for name, _ in of_frameworks}
    for folder in (code / "images", code / "images" / FOLDER):
        for path in folder.glob("*.*"):
            if path.name.partition(".")[0] in owners:
                path.unlink()
    for name, _ in of_frameworks:
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / FOLDER / Path(name).name, code / name)
    for owner in sorted(owners):
        if not lock_file(code, owner, facts.device).is_file():
            raise StoreError(
                f"The lock of {owner} in {run / FOLDER} is not for {tag(facts.device)}, as this samestep's are:"
                f" take that of the run, git checkout {facts.commit or 'its commit'}."
            )
    _copy_variants(facts, run / FOLDER, code / FOLDER)
    return facts.variants


def _copy_variants(facts: RunFacts, source: Path, target: Path) -> None:
    for variant in facts.variants:
        target.mkdir(exist_ok=True)
        shutil.copyfile(source / variant.lock, target / variant.lock)
        for wheel in variant.wheels:
            if not (source / WHEELS / wheel).is_file():
                raise StoreError(f"{source / WHEELS / wheel} is not there, from which {variant.framework_id} is made.")
            (target / WHEELS).mkdir(exist_ok=True)
            shutil.copyfile(source / WHEELS / wheel, target / WHEELS / wheel)


def _of_frameworks(facts: RunFacts) -> Iterator[tuple[str, str]]:
    """Yield path in the checkout and SHA-256 of what the frameworks of a run were installed from."""
    yield from ((name, digest) for name, digest in facts.code if name.startswith(IMAGES))


def _require_same(path: Path, expected: str, whose: str) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}. The environment of {whose} is made from it: put it back."
        ) from error
    if digest != expected:
        raise StoreError(
            f"{path} is not the lock that the run began with: what follows would be another program. Put it back as"
            " it was, or start a new run."
        )
