"""Whether a host has the samestep that was submitted: the code, the locks, the versions.

python -m harness.fleet.code     prints, as JSON, the host's name and its files, for who asks before submitting
"""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.records.codec import RecordError
from harness import strict
from harness.environments import checkout
from harness.errors import SetupError
from harness.terminal import shell

Files = tuple[tuple[str, str], ...]
KINDS: Final = ("bench/**/*.py", "bench/**/*.mjs", "harness/**/*.py", "images/locks/*", "images/*.package.json")
# Variables of Python that were set where it was submitted would change the interpreter of a host.
UNSET: Final = "unset PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONINSPECT PYTHONWARNINGS"
REMEDY: Final = "Every host must see the same checkout: bring them to one state"


class OtherCodeError(Exception):
    """Another samestep than the one that was submitted; the message names a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a host sees at the path of this checkout."""

    host: str
    files: Files


def of_checkout(root: Path = checkout.ROOT) -> Files:
    """Return (file, SHA-256) of all that a task may run: bench/, harness/, the locks."""
    named = sorted(path for kind in KINDS for path in root.glob(kind) if path.is_file())
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in named)


def require_same(submitted: Iterable[tuple[str, str]], now: Files | None = None) -> None:
    """Raise OtherCodeError where this checkout has other files than the one that was submitted."""
    if name := difference(dict(submitted), dict(of_checkout() if now is None else now)):
        raise OtherCodeError(
            f"This host has another samestep than the one that was submitted: {name} differs. {REMEDY} and submit"
            " again."
        )


def question() -> str:
    """Return the line of a shell that says, on a host, what it sees at the path of this checkout."""
    python = shell.quoted(sys.executable)
    return f"{UNSET}; cd {shell.quoted(checkout.ROOT)} && {python} -m harness.fleet.code || echo it is not there"


def require_same_there(host_type: str, answer: str, here: Files) -> None:
    """Raise SetupError where a host has another checkout than this one, or none.

    Args:
        host_type: the name of its type.
        answer: what it printed to the question.
        here: the files of this checkout.
    """
    try:
        seen = strict.value(Seen, answer.strip().rpartition("\n")[2])
    except RecordError:
        raise SetupError(
            f"A host of the type {host_type} has no samestep at {checkout.ROOT}, or not its interpreter: keep both"
            " where all hosts see them, at one path."
        ) from None
    if name := difference(dict(here), dict(seen.files)):
        raise SetupError(
            f"{seen.host}, of the type {host_type}, has another samestep than this host: {name} differs. {REMEDY}."
        )


def difference(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the first file that is not the same; empty: all are."""
    return next((name for name in sorted({**then, **now}) if then.get(name) != now.get(name)), "")


if __name__ == "__main__":
    name = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    print(json.dumps(dataclasses.asdict(Seen(host=name, files=of_checkout()))))
