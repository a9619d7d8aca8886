"""torch.compile: what it needs on this host, and what it did, by the counters of Dynamo and Inductor.

Dynamo and Inductor count per process, and one process runs one cell, so their totals belong to the cell. A graph break
is in Dynamo's counters though the step goes on working; a call that no compiled graph fits fails a guard.
"""

import dataclasses
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch._dynamo.utils import counters, get_compilation_metrics, guard_failures
from torch._inductor import config as inductor_config

from bench.frameworks._torch import device
from bench.records.record import ModeProof

HEADERS: Final = "Python.h"


def compiler_missing() -> str:
    """Return what torch.compile lacks on this host and the package that has it, as one sentence; empty: nothing.

    On a GPU Inductor writes Triton instead of C++, and Triton compiles in each cold process a module in C that launches
    its kernels. Inductor's own search for a compiler would import half of Inductor, which belongs to the first step:
    the names in its list are looked up instead.
    """
    if device.on_cuda():
        # the names that triton/runtime/build.py looks for
        names = (os.environ["CC"],) if "CC" in os.environ else ("gcc", "clang")
        if not any(map(shutil.which, names)):
            return (
                f"Triton, which torch.compile writes for a GPU, needs a C compiler ({' or '.join(names)}): "
                "install gcc (Debian, Ubuntu: apt install gcc)"
            )
    elif not any(shutil.which(compiler) for compiler in inductor_config.cpp.cxx if compiler):
        return "torch.compile needs a C++ compiler: install g++ (Debian, Ubuntu: apt install g++)"
    folders = {sysconfig.get_path("include"), sysconfig.get_path("include", scheme="posix_prefix")}
    if not any((Path(folder) / HEADERS).exists() for folder in folders):
        return (
            f"torch.compile needs {HEADERS}, which is not in {sorted(folders)[0]}: install Python's headers "
            "(Debian, Ubuntu: apt install libpython3-dev or python3-dev)"
        )
    return ""


def inductor_proof(compiled: Any, placement: Mapping[str, Any]) -> ModeProof:
    """Return the proof of what `torch.compile` returned; with the recorded CUDA graphs where its mode asks for them."""
    frames, inductor = counters["frames"], counters["inductor"]
    misses = inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"]
    graphs = inductor["fxgraph_cache_hit"] + misses  # a forward and a backward are two
    mode, with_cuda_graphs = _inductor_mode(compiled)
    recorded = _recorded_graphs() if with_cuda_graphs and device.on_cuda() else 0
    return ModeProof(
        mode=mode,
        compilations=frames["total"] + graphs,
        traces=frames["total"],
        graph_breaks=counters["graph_break"].total(),
        guard_failures=sum(map(len, guard_failures.values())),
        graphs=graphs,
        cache_hits=inductor["fxgraph_cache_hit"],
        cache_misses=misses,
        cuda_graphs=recorded if with_cuda_graphs else None,
        cuda_graphs_skipped=_why_skipped() if with_cuda_graphs and not recorded else "",
        evidence=f"Dynamo compiled {frames['ok']} of {frames['total']} frames, Inductor {graphs} graphs{_complaints()}",
        **placement,
    )


def trainer_proof(
    mode: str, computed: Any, placement: Mapping[str, Any], *, complete: bool, evidence: str
) -> ModeProof:
    """Return the proof of a trainer's "fit" or "fit-compile", whose loss or model is computed by `computed`.

    Args:
        mode: the requested mode.
        computed: what `torch.compile` may have returned.
        placement: as `placement_of` gives it.
        complete: whether the trainer has trained on as many batches as requested.
        evidence: a sentence about those batches.
    """
    if mode == "fit":
        proof = ModeProof(mode="fit", compilations=None, evidence=evidence, **placement)
    else:
        proof = inductor_proof(computed, placement)
        ran = "fit-compile" if proof.mode == "compile" else "fit"
        proof = dataclasses.replace(proof, mode=ran, evidence=f"{proof.evidence}; {evidence}")
    return proof if complete else dataclasses.replace(proof, mode=f"incomplete {proof.mode}")


def graph_breaks_at(call: str) -> int:
    """Return how many of the graph breaks have a reason, in Dynamo's words, that names `call`."""
    return sum(count for reason, count in counters["graph_break"].items() if call in reason)


def _complaints() -> str:
    """Return the first line of the first guard that failed and of the first graph break, in Dynamo's words."""
    failed = [reason for reasons in guard_failures.values() for reason in reasons]
    first = [("failed guard", reasons[0]) for reasons in (failed,) if reasons]
    first += [("graph break", reason) for reason in list(counters["graph_break"])[:1]]
    return "".join(f"; {what}: {reason.partition(chr(10))[0]}" for what, reason in first)


def _inductor_mode(compiled: Any) -> tuple[str, bool]:
    """Return the mode whose settings the compiled callable holds, and whether it asks for CUDA graphs.

    "eager" when Dynamo left the callable as it was, or left one of its frames to Python.
    """
    frames = counters["frames"]
    settings_of = getattr(compiled, "get_compiler_config", None)
    if settings_of is None or not 0 < frames["total"] == frames["ok"]:
        return "eager", False
    settings = settings_of()
    with_cuda_graphs = bool(settings["triton.cudagraphs"])
    if settings["max_autotune"]:
        return "max-autotune" if with_cuda_graphs else "max-autotune-no-cudagraphs", with_cuda_graphs
    return "reduce-overhead" if with_cuda_graphs else "compile", with_cuda_graphs


def _recorded_graphs() -> int:
    """Count the nodes of the trees in which Inductor keeps the CUDA graphs it has recorded."""
    from torch._inductor.cudagraph_trees import get_manager  # imports Inductor, too early on a CPU

    manager = get_manager(torch.cuda.current_device(), create_if_none_exists=False)
    pending = [] if manager is None else list(manager.get_roots())
    recorded = 0
    while pending:
        recorded += 1
        pending += [node for children in pending.pop().children.values() for node in children]
    return recorded


def _why_skipped() -> str:
    """Return Inductor's reason for no CUDA graph; on a CPU it keeps none and only counts the skip."""
    reasons = {entry.cudagraph_skip_reason for entry in get_compilation_metrics()} - {None}
    skips = counters["inductor"]["cudagraph_skips"]
    if reasons:
        return "; ".join(sorted(reason.partition("\n")[0] for reason in reasons))
    if not device.on_cuda() and skips:
        return f"Inductor skipped them (cudagraph_skips {skips}): the graph has no CUDA device, it is on the CPU"
    return f"none recorded; cudagraph_skips {skips}"
