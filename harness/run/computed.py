"""What a run computes with `bench` in a process of its own: trained models, references."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.turns import variables

ROOT: Final = Path(__file__).resolve().parents[2]


def by_bench(*arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run `python -m bench` with `arguments` in the harness's Python, and wait.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer than `timeout_s`.
    """
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**variables.of_tools(os.environ), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
