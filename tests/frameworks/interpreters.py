"""The interpreter of each framework's own environment, made when it is not there yet."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from bench.catalogue import framework_offer, programs_missing
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments


@cache
def python_of(framework: str) -> Path:
    """Return the interpreter; SAMESTEP_TEST_PYTHON_<FRAMEWORK> names another one. Skips where none can be made."""
    if given := os.environ.get(f"SAMESTEP_TEST_PYTHON_{framework.upper()}"):
        return Path(given)
    environments = Environments(ROOT, "cpu")
    reasons = environments.make([framework], print)
    python = environments.python(framework)
    if python is None:
        pytest.skip(f"no environment of {framework}: {reasons.get(framework, 'unknown')}")
    return python


def skip_without_programs(framework: str) -> None:
    """Skip where the framework's programs are not on this host, such as a compiler that it calls for every kernel."""
    offer = framework_offer(framework)
    if (missing := programs_missing(offer)) and not offer.program_modes:
        pytest.skip(missing)


def run_in(framework: str, scratch: Path, *arguments: str, **environment: str) -> str:
    """Run the framework's Python with the repository on its path and return what it prints."""
    done = subprocess.run(
        [python_of(framework), *arguments],
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
