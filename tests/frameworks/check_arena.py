"""Run a model of large intermediate arrays in ONNX Runtime and print which policy was found, and what was mapped.

PYTHONPATH=<repository> python tests/frameworks/check_arena.py MODEL POLICY [unshared]

"unshared" keeps the session from using the arena that the policy was registered for.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from bench.catalogue import framework_offer, policy_offer

ELEMENTS = 9 << 20


def mapped_bytes() -> int:
    """Return the size of the address space, from /proc/self/statm."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def main(model: str, name: str, fault: str = "") -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    policy = policy_offer(framework_offer("onnxruntime"), name)
    for variable, value in policy.environment if policy else ():
        os.environ[variable] = value
    import onnxruntime

    from bench.frameworks import _onnxruntime_arena as arena
    from bench.frameworks import onnxruntime as framework

    if fault:
        onnxruntime.SessionOptions.add_session_config_entry = lambda *entry: None
    framework.start("cpu", 1)
    session = framework._session(model)
    before = mapped_bytes()
    for _ in range(3):
        session.run(None, {"input": np.ones(ELEMENTS, np.float32)})
    told = arena.policy_of(session, "cpu", tuple(framework.ALLOCATORS))
    print(json.dumps({"policy": told, "mapped": mapped_bytes() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
