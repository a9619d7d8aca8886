"""The images of variants: from the same Dockerfile, in whose context a variant's lock has the place of the framework's.

The name of the image has the Python and the digest of the lock, as that of a local environment: samestep/jax:cpu-py311-
and eight digits. So a lock has one image, which is built when a run needs it first.

A variant in another Python than the framework's lock has that Python from the image's first stage on: there and in all
stages below its own it installs its own lock, which contains theirs.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import docker
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from harness.environments import locks, pins, venvs
from harness.launchers import images
from harness.launchers.base import Say

REPOSITORY: Final = "samestep"


class VariantImages:
    """The images of the variants of one run."""

    def __init__(
        self,
        device: str,
        of: Mapping[str, Path],
        *,
        root: Path = locks.ROOT,
        environ: Mapping[str, str] = os.environ,
        run: images.RunCommand = images.run,
    ) -> None:
        """Take the device, and the locks `of` the variants, such as "jax@0.9.2"."""
        self._device = device
        self._of = of
        self._root = root
        self._environ = environ
        self._run = run

    def name(self, framework: str) -> str:
        """Return the name of a variant's image; empty: it is no variant."""
        if (lock := self._of.get(framework)) is None:
            return ""
        python = locks.python_of(lock).replace(".", "")
        return f"{REPOSITORY}/{_own(framework)}:{self._device}-py{python}-{locks.digest(lock)}"

    def build(self, framework: str, engine: docker.DockerClient, say: Say) -> str:
        """Build the image of a variant; return why it cannot be built; empty: it is there.

        Raises:
            SetupError: no Buildx, or no base image.
        """
        images.require_buildx(self._run)
        own, lock, tag = _own(framework), self._of[framework], self.name(framework)
        base = images.base_image(self._device, self._environ, self._root)
        with TemporaryDirectory(prefix="samestep-image-") as folder, self._wheelhouse(lock) as environ:
            made = context(self._root, Path(folder) / "images", lock, own, self._device)
            command = images.command(
                own, device=self._device, root=self._root, environ=environ, tag=tag, lock=lock, context=made
            )
            return images.built(engine, f"Image of {framework}", tag, command, say, base=base, run=self._run)

    @contextlib.contextmanager
    def _wheelhouse(self, lock: Path) -> Iterator[Mapping[str, str]]:
        """Yield the variables of the build.

        Its wheelhouse has the wheels that the variant was given as files, too, and those of its lock that lie in
        folders that pip is configured for.
        """
        usual = images.wheelhouse(self._device, self._environ)
        own = [*_wheels(lock.parent / venvs.WHEELS), *_locked(lock, locks.folders_of_wheels(self._environ))]
        if not own:
            yield self._environ
            return
        with TemporaryDirectory(prefix="samestep-wheels-") as both:
            for wheel in (*(_wheels(Path(usual)) if usual else ()), *own):
                shutil.copyfile(wheel, Path(both) / wheel.name)
            yield {**self._environ, "SAMESTEP_WHEELHOUSE": both}


def _wheels(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.whl"))


def _locked(lock: Path, folders: Sequence[str]) -> Iterator[Path]:
    """Yield the wheels in `folders`, as far as these are on this host, of packages as they are in `lock`."""
    wanted = pins.of(lock.read_text(encoding="utf-8"))
    for wheel in (each for folder in folders if "://" not in folder for each in _wheels(Path(folder))):
        with contextlib.suppress(InvalidWheelFilename):
            name, version, _, _ = parse_wheel_filename(wheel.name)
            if wanted.get(name) == str(version):
                yield wheel


def context(root: Path, copy: Path, lock: Path, framework: str, device: str) -> Path:
    """Make a `copy` of images/ of the repository at `root`, with `lock` as the framework's; return it.

    Where the lock is for another Python than the framework's, it is that of all stages below as well.
    """
    shutil.copytree(root / "images", copy)
    tag = f"{device}-py{locks.python_of(lock).replace('.', '')}"
    names = [framework]
    if tag != locks.tag(device):
        stages = re.findall(r"^FROM \S+ AS (\w+)$", (copy / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
        names += [name for name in stages if locks.lock_file(root, name, device).is_file()]
    for name in dict.fromkeys(names):
        for old in (copy / "locks").glob(f"{name}.{device}-py*.txt"):
            old.unlink()
        shutil.copyfile(lock, copy / "locks" / f"{name}.{tag}.txt")
    return copy


def _own(framework: str) -> str:
    return framework.partition("@")[0]
