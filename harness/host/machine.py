"""The facts of this computer that `run.json` keeps."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.turns.environment import cpu_model
from harness.host import gpus, nvidia, processors, quota


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine, without anything that identifies it or its owner."""

    cpu: str  # model name of the processor
    cores: int  # logical processors
    memory_bytes: int  # physical memory
    os: str  # such as "Debian GNU/Linux 12, Linux 6.1"
    python: str  # the harness's interpreter; each replicate's own is in its record
    gpu: str = ""  # name of the accelerator; empty: none
    driver: str = ""  # version of its driver
    quota: float | None = None  # processors' time that the control groups of the harness allow it; None: any
    governor: str = ""  # what sets the frequency of the CPU set's processors, such as "performance"; empty: unknown
    smt: str = ""  # whether cores have several threads, as the kernel says: "on", "off"; empty: unknown


def host_facts(device: str, cpus: Iterable[int] = (), root: Path = processors.ROOT, *, gpu: str = "") -> HostFacts:
    """Return the facts of this machine.

    Args:
        device: "cuda": with its GPUs.
        cpus: the CPU set of the replicates.
        root: sysfs's folder of processors.
        gpu: the GPU that the run uses (`harness.host.gpus.wanted`); empty: not known, then all are named.
    """
    model, driver = _gpu(gpu) if device == "cuda" else ("", "")
    return HostFacts(
        gpu=model,
        driver=driver,
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        os=f"{_distribution()}, {platform.system()} {platform.release()}",
        python=platform.python_version(),
        quota=quota.processors(),
        governor=", ".join(sorted({_line(root / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus} - {""})),
        smt=_line(root / "smt/control"),
    )


def _line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _gpu(wanted: str) -> tuple[str, str]:
    """Return the model of the GPU and the driver's version; both empty where NVML does not answer."""
    try:
        answer = nvidia.look()
        model = gpus.model(wanted) if wanted else ""
    except nvidia.NvidiaError:
        return "", ""
    return model or ", ".join(dict.fromkeys(gpu.name for gpu in answer.gpus)), answer.driver


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown distribution")
    except OSError:
        return "unknown distribution"
