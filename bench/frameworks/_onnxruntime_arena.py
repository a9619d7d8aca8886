"""ONNX Runtime's arenas: one of the process, whose growth can be set on the CPU, and how that of a session grows."""

import os
from collections.abc import Sequence
from typing import Final

import onnxruntime as ort

USE_SHARED: Final = "session.use_env_allocators"
STRATEGY: Final = "ORT_ARENA_EXTEND_STRATEGY"


def share(strategy: int) -> None:
    """Register an arena of the process on the CPU: how a session's own grows cannot be set."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"arena_extend_strategy": strategy}))


def policy_of(session: ort.InferenceSession, device: str, policies: Sequence[str]) -> str:
    """Return how the session's arena grows: "default" where none was requested, and for its own arena on the CPU."""
    strategy = os.environ.get(STRATEGY)
    if strategy is None:
        return "default"
    if device == "cuda":
        return str(session.get_provider_options()["CUDAExecutionProvider"]["arena_extend_strategy"])
    try:
        shared = session.get_session_options().get_session_config_entry(USE_SHARED)
    except RuntimeError:  # it has no such entry
        shared = "0"
    return policies[int(strategy)] if shared == "1" else "default"
