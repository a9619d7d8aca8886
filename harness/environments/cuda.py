"""Which CUDA the locks bring, and which driver that needs: what the images demand of a host and what `doctor` says.

A program that was built for a CUDA major version runs on every driver from the first one of that version on (NVIDIA,
"CUDA Compatibility": minor version compatibility). So the minor version of a lock demands nothing.
"""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from bench.frameworks import FRAMEWORKS
from harness.environments import locks

# By CUDA major version: the first branch of NVIDIA's driver that runs it.
LEAST_DRIVER: Final[Mapping[int, int]] = {12: 525, 13: 580}


def major(lock_text: str) -> int | None:
    """Return the major version of the CUDA runtime that a lock brings, None when it brings none."""
    match = re.search(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)\.", lock_text, re.MULTILINE)
    return int(match[1]) if match else None


def of(framework: str, root: Path = locks.ROOT) -> int | None:
    """Return the CUDA major version of a framework on a GPU; None: its lock brings none, or it has no lock."""
    with contextlib.suppress(OSError):
        return major(locks.lock_file(root, framework, "cuda").read_text(encoding="utf-8"))
    return None


def of_all(root: Path = locks.ROOT) -> Mapping[str, int]:
    """Return the CUDA major version of each framework that brings one; not of engines in another's packages."""
    owners = (name for name in FRAMEWORKS if locks.packages(root, name) == name)
    return {name: found for name in owners if (found := of(name, root))}


def requirement(framework: str, root: Path = locks.ROOT) -> str:
    """Return what the image of `framework` demands, as NVIDIA's container toolkit reads NVIDIA_REQUIRE_CUDA.

    What brings no CUDA, such as NumPy and the harness, demands the oldest that any image can. Nothing would not do: on
    a base image of NVIDIA's the toolkit would then demand the CUDA of the base.
    """
    return _demand(of(framework, root))


def requirement_of(lock: Path) -> str:
    """Return what an image with the packages of `lock` demands, as `requirement`; raises OSError."""
    return _demand(major(lock.read_text(encoding="utf-8")))


def _demand(version: int | None) -> str:
    return f"cuda>={version or min(LEAST_DRIVER)}.0"


def too_old(driver: int, needed: Mapping[str, int]) -> dict[str, int]:
    """Return the driver that each framework needs and a host with the branch `driver` does not have.

    Args:
        driver: such as 550.
        needed: by framework, its CUDA major version.
    """
    return {name: need for name, version in needed.items() if driver < (need := LEAST_DRIVER.get(version, 0))}


def warning(driver: str, frameworks: Iterable[str], root: Path = locks.ROOT) -> str:
    """Return one sentence for frameworks whose CUDA a host's driver is too old for; empty: it is new enough.

    Args:
        driver: its version, such as "550.54.15"; empty or no number: not known, and nothing is said.
        frameworks: those that are to run.
        root: the checkout whose locks they run from.
    """
    branch = re.match(r"\d+", driver)
    needed = {name: version for name in frameworks if (version := of(name, root))}
    short = too_old(int(branch[0]), needed) if branch else {}
    if not short:
        return ""
    names = ", ".join(f"{name} (CUDA {needed[name]}: {need})" for name, need in short.items())
    return (
        f"The NVIDIA driver {driver} is too old for the CUDA of {names}: install {max(short.values())} or newer, or"
        " leave them out."
    )
