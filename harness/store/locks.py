"""The locks of a run, kept in its folder: it can be resumed and made again from there alone.

locks/<framework>@<variant>…    the lock of a variant, as `Resolved.lock` calls it
locks/wheels/                   wheels that a variant was given as files
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from harness.environments.variants import Resolved
from harness.errors import StoreError
from harness.terminal.failures import first_of

FOLDER: Final = "locks"


def by_variant(variants: Iterable[Resolved], folder: Path) -> dict[str, Path]:
    """Return the locks in `folder` by variant, such as "jax@0.9.2"."""
    return {variant.framework_id: folder / variant.lock for variant in variants}


def keep(made: Path, run: Path) -> None:
    """Copy the locks that were `made` into the folder of a run; none where there is no variant.

    Raises:
        StoreError: they cannot be written.
    """
    if not made.is_dir():
        return
    try:
        shutil.copytree(made, run / FOLDER, dirs_exist_ok=True)
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
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read: {error.strerror}. The environment of {variant.framework_id} is made from"
                " it: put it back."
            ) from error
        if digest != variant.sha256:
            raise StoreError(
                f"{path} is not the lock that the run began with: what follows would be another program. Put it back as"
                " it was, or start a new run."
            )
    return found
