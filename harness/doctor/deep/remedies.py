"""What to do about a cell that does not work: by its status, and by what its framework or the driver says.

The rules know words of CUDA's and NVIDIA's errors. What none of them knows is a case for a report of the fault.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.records.record import Record
from harness.terminal import shell

MINUTES: Final = "10"  # for a cell that took longer than it was given


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the cells ran."""

    device: str
    launcher: str
    in_container: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do where something is said."""

    said: re.Pattern[str]
    remedy: str  # {framework} and {device} are filled in
    in_container: str = ""  # what to do in a container; empty: the same


def _rule(said: str, remedy: str, in_container: str = "") -> Rule:
    return Rule(re.compile(said, re.IGNORECASE), remedy, in_container)


RULES: Final[Sequence[Rule]] = (
    _rule(
        r"no kernel image is available|is not compatible with the current PyTorch|unsupported gpu architecture"
        r"|(?:CUDA_ERROR_|cudaError)(?:NO_BINARY_FOR_GPU|UNSUPPORTED_PTX_VERSION)|PTX was compiled with an unsupported",
        "the locked {framework} has no code for this GPU: take another version in images/{device}/{framework}.in and"
        " run make lock, or another GPU",
    ),
    _rule(
        r"driver version is insufficient|driver on your system is too old|DRIVER_MISMATCH|INSUFFICIENT_DRIVER"
        r"|unsatisfied condition: (?:cuda|driver)",
        "install a newer NVIDIA driver: samestep doctor --device cuda says which",
    ),
    _rule(
        r"no CUDA-capable device|CUDA_ERROR_NO_DEVICE|finds no (?:CUDA device|GPU)|libcuda\.so|Unknown backend"
        r"|no CUDA GPUs are available|not find CUDA drivers|CUDA_ERROR_INVALID_DEVICE|no supported devices found",
        "check that nvidia-smi shows the GPU, and that CUDA_VISIBLE_DEVICES names it or is not set",
        "the container sees no GPU: check SAMESTEP_GPU and the NVIDIA Container Toolkit"
        " (docker run --rm --gpus all ubuntu nvidia-smi)",
    ),
    _rule(
        r"Python\.h|there is no g\+\+|needs g\+\+|C\+\+ compiler|Failed to find C compiler|cc1plus|\bgcc\b.*not found",
        "install what compiles for it (Debian, Ubuntu: sudo apt install g++ libpython3-dev)",
        "build its image again: samestep build {framework} --device {device}",
    ),
    _rule(
        r"no space left|disk quota exceeded",
        "free some space in the temporary folder, or name another one in TMPDIR",
        "give its /tmp more room: SAMESTEP_TMP=8g",
    ),
    _rule(
        r"fallback to CPU|disable_cpu_ep_fallback|explicitly assigned to the default CPU EP",
        "none here: a part of the exported model has no kernel on the GPU; attach the file below to a report",
    ),
)
NO_MODEL: Final = "launch: there is no model from "
OWN: Final = "attach the file below to a report of the fault"
NO_PACKAGE: Final = re.compile(r"No module named '?([\w.]+)")


def remedy(record: Record, place: Place, *, limit_s: float) -> str:
    """Return what to do about a cell that does not work; empty: its reason says it, or there is nothing to do.

    Args:
        record: of the cell.
        place: where it ran.
        limit_s: how long it was given.
    """
    cell = record.cell
    if record.status in ("ok", "skipped"):
        return ""
    if record.status == "timeout":
        again = again_with(place, cell.framework, [cell.mode], "--minutes", MINUTES)
        return f"it was given {limit_s:.0f} s; with more time: {again}"
    if record.status == "oom":
        return _memory(place)
    if record.reason.startswith(NO_MODEL):  # it says why the export failed
        return ""
    said = "\n".join((record.reason, *(record.failure.tail if record.failure else ())))
    if absent := NO_PACKAGE.search(said):
        return _package(absent[1].partition(".")[0], record, place)
    for rule in RULES:
        if rule.said.search(said):
            text = rule.in_container if place.in_container and rule.in_container else rule.remedy
            return text.format(framework=cell.framework, device=place.device)
    if record.failure and record.failure.phase == "launch":
        return "" if ": " in record.reason.removeprefix("launch: ") else "samestep doctor says what it lacks"
    return OWN


def again_with(place: Place, framework: str, modes: Sequence[str] = (), *more: str) -> str:
    """Return the command that tries a framework, or some of its modes."""
    where = ("--device", place.device, "--launcher", place.launcher)
    which = ("--framework", framework, *(("--mode", ",".join(modes)) if modes else ()))
    return shell.samestep("doctor", "--deep", *where, *which, *more)


def _memory(place: Place) -> str:
    if place.device == "cuda":
        return "nvidia-smi shows which programs hold the GPU's memory: end them, or name another GPU"
    more = "give its container more: SAMESTEP_MEMORY=32g"
    return more if place.in_container else "end other programs, or raise the limit of memory"


def _package(name: str, record: Record, place: Place) -> str:
    """Return how a package that is missing comes into the environment of a cell."""
    if place.launcher == "here":
        return f"install {name} into the interpreter that --launcher here runs, or use --launcher venv"
    if place.in_container:
        return f"build its image again: {shell.samestep('build', record.cell.framework, '--device', place.device)}"
    return "make its environment again: remove its folder under .envs; the next run makes it"
