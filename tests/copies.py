"""A copy of the checkout to add things to, as a person would, and samestep's commands run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.environments.checkout import ROOT


def copy_of_the_checkout(root: Path) -> Path:
    """Copy what git would keep to `root`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


def run(root: Path, *arguments: str, code: int = 0) -> str:
    """Run samestep's Python in the copy, against its own packages; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
