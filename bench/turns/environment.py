"""Where a replicate runs, and how much memory and time it has used, its guest included, read inside its process."""

import contextlib
import ctypes
import os
import platform
import pwd
import re
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.guests import usage
from bench.records.record import Environment
from bench.turns.installed import installed_bytes
from bench.turns.prepare import of_framework, scratch
from bench.turns.turn import Turn
from bench.turns.variables import DRIVER, KERNELS

LONGEST_NAME: Final = 256  # bytes of an accelerator's name
ENVIRON: Final = Path("/proc/self/environ")
OF_SAMESTEP: Final = "SAMESTEP_"


def describe(turn: Turn, versions: Sequence[str]) -> Environment:
    """Return the environment of this process."""
    cpu = cpu_model()
    asked_for = {name for name, _ in of_framework(turn.cell)}
    return Environment(
        python=" ".join(sys.version.split()),
        platform=platform.platform(),
        cpu=cpu,
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        threads=turn.threads,
        device_name=accelerator_name() if turn.cell.device == "cuda" else cpu,
        versions=tuple(versions),
        flags=tuple(_shown(name, os.environ[name], turn) for name in sorted(asked_for & set(os.environ))),
        launcher=turn.launcher,
        image=turn.image,
        variables=tuple(_shown(name, value, turn) for name, value in sorted(_given(asked_for).items())),
        named=tuple(sorted(turn.named)),
        installed_bytes=installed_bytes() if turn.block == 1 and turn.cell.track == "identical" else None,
    )


def _given(asked_for: Collection[str]) -> Mapping[str, str]:
    """Return the variables that the process was started with (proc(5), environ), and those of the framework's file.

    Others that are there now a library has set for itself: PyTorch's compiler keeps addresses of the process in one.
    samestep's own, such as the PID of its parent, are not for a framework: they are gone before it is imported.
    """
    started = (pair.partition(b"=") for pair in ENVIRON.read_bytes().split(b"\0") if pair)
    found = {os.fsdecode(name): os.fsdecode(value) for name, _, value in started}
    found = {name: value for name, value in found.items() if not name.startswith(OF_SAMESTEP)}
    return {**found, **{name: os.environ[name] for name in asked_for if name in os.environ}}


def _shown(name: str, value: str, turn: Turn) -> str:
    """Return "NAME=value" of a variable; folders of this replicate, run or user alone have one name in all."""
    if name == "PYTHONPATH":
        return f"{name}={{code}}"
    if name == KERNELS and value == turn.kernels:
        return f"{name}={{kernels}}"
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    for folder, shown in ((str(scratch()), "{scratch}"), (_home(), "{home}")):  # records are published: no user's name
        if folder not in ("", "/"):
            value = re.sub(rf"(?<![^=:;, ]){re.escape(folder)}(?![^/:;, ])", shown, value)
    return f"{name}={value}"


def _home() -> str:
    """Return the user's home, whatever HOME says; empty: the user is not in the list of users."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def cpu_model() -> str:
    """Return the processor's model name from /proc/cpuinfo, or else from the platform module."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def accelerator_name() -> str:
    """Return the model of the first GPU that this process may use, from NVIDIA's CUDA driver; empty: it has none.

    Frameworks run on that one, and their processes have the library loaded already. A name needs no context.
    """
    with contextlib.suppress(OSError, AttributeError):  # no such library, or none of NVIDIA's
        cuda, device, name = ctypes.CDLL(DRIVER), ctypes.c_int(), ctypes.create_string_buffer(LONGEST_NAME)
        if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
            return ""
        if cuda.cuDeviceGetName(name, LONGEST_NAME, device) == 0:
            return name.value.decode(errors="replace").strip()
    return ""


def process_age_ns() -> int:
    """Return how long ago this process was created, from field 22 of /proc/self/stat (proc(5)), 10 ms resolution."""
    stat = Path("/proc/self/stat").read_text(encoding="utf-8")
    ticks = int(stat.rpartition(")")[2].split()[19])
    born = ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
    return max(0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - born)


def cpu_ns() -> int:
    """Return the processor time of this process and of its guests so far, of all their threads."""
    return time.process_time_ns() + usage.cpu_ns()


def resident_bytes() -> int:
    """Return the resident set of this process, from /proc/self/statm, and of its guests."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") + usage.resident_bytes()


def restart_peak() -> bool:
    """Reset the peak of `peak_resident_bytes` (proc(5), clear_refs); return whether the kernel allowed it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return usage.restart_peaks()


def peak_resident_bytes() -> int:
    """Return the peak resident set of this process since its exec or `restart_peak`: VmHWM, proc(5); and of its guests.

    Not getrusage's ru_maxrss: on Linux it starts from the parent's resident set at the fork.
    """
    return own_peak_resident_bytes() + usage.peak_resident_bytes()


def own_peak_resident_bytes() -> int:
    """Return the same without the guests."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
