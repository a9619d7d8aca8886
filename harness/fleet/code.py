"""Whether a host has the samestep that was submitted: the code, the locks, the versions."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.environments import checkout

Files = tuple[tuple[str, str], ...]


class OtherCodeError(Exception):
    """Another samestep than the one that was submitted; the message names a file."""


def of_checkout(root: Path = checkout.ROOT) -> Files:
    """Return (file, SHA-256) of all that a task may run: bench/, harness/, the locks."""
    named = [*root.glob("bench/**/*.py"), *root.glob("bench/**/*.mjs"), *root.glob("harness/**/*.py")]
    named += root.glob("images/locks/*.txt")
    return tuple((str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(named))


def require_same(submitted: Files, now: Files | None = None) -> None:
    """Raise OtherCodeError where this checkout has other files than the one that was submitted."""
    then, here = dict(submitted), dict(of_checkout() if now is None else now)
    if name := difference(then, here):
        raise OtherCodeError(
            f"This host has another samestep than the one that was submitted: {name} differs. Every host must see the"
            " same checkout: bring them to one state and submit again."
        )


def difference(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the first file that is not the same; empty: all are."""
    return next((name for name in sorted({**then, **now}) if then.get(name) != now.get(name)), "")
