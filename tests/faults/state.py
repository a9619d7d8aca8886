"""The outcomes of a campaign on disk, so that one which was stopped goes on where it was."""

import dataclasses
import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.environments.checkout import ROOT, commit
from tests.faults.outcome import Outcome, Wrong


class State:
    """A line for each outcome; a campaign of other code or of another seed has another file."""

    def __init__(self, folder: Path, seed: int, form: str) -> None:
        """Keep the outcomes of a `form`, "long" or "short", in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{form}-{seed}-{digest()}.jsonl"

    def known(self) -> dict[str, Outcome]:
        """Return the outcomes so far, by name; a line that was cut is planted again."""
        return {outcome.name: outcome for outcome in self._lines()}

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(outcome)) + "\n")

    def forget(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[Outcome]:
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
                yield Outcome(**{**data, "wrong": tuple(Wrong(**each) for each in data["wrong"])})
            except (ValueError, TypeError, KeyError):
                continue


def digest() -> str:
    """Return a digest of the code that the faults are planted into, and of the faults."""
    head, dirty = commit()
    changed = (
        subprocess.run(["git", "diff", "HEAD"], cwd=ROOT, capture_output=True, check=False).stdout if dirty else b""
    )
    new = sorted((ROOT / "tests" / "faults").rglob("*.py"))
    content = b"".join(path.read_bytes() for path in new)
    return hashlib.sha256(head.encode() + changed + content).hexdigest()[:12]
