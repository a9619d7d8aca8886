"""The folder of a bisection: `bisect.json`, and the run of each measurement."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Final

from bench.records.codec import RecordError
from harness import strict
from harness.bisect.facts import Bisection
from harness.errors import StoreError
from harness.store.files import complete_file
from harness.store.folder import RUN_FILE, RunFolder, latest
from harness.store.lock import Lock
from harness.terminal.failures import explained

FILE: Final = "bisect.json"
SCHEMA: Final = 1


class BisectFolder:
    """One bisection on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock(path)

    def lock(self) -> None:
        """Lock the folder for this process until it ends; raises StoreError where another one has it."""
        if not self._lock.take():
            raise StoreError(f"{self.path}: another samestep is bisecting there; wait for it or stop it.")

    def unlock(self) -> None:
        """Release the lock; safe to call twice."""
        self._lock.free()

    def place(self, number: int) -> Path:
        """Return the folder that holds the run of a measurement."""
        return self.path / f"measurement-{number}"

    def begun(self, number: int) -> RunFolder | None:
        """Return the run of a measurement that was begun; None: it was not."""
        return next(iter(latest(self.place(number))), None)

    def discard(self) -> None:
        """Remove the folder of a bisection that has no run; one with a run is not removed."""
        if self.begun(1) is None:
            shutil.rmtree(self.path, ignore_errors=True)

    def read(self) -> Bisection:
        """Return what was measured; raises StoreError."""
        path = self.path / FILE
        try:
            found = strict.value(Bisection, path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            hint = "; it is a run's: samestep run --resume goes on with that" if (self.path / RUN_FILE).exists() else ""
            raise StoreError(f"{self.path} is not the folder of a bisection: it has no {FILE}{hint}.") from error
        except (OSError, UnicodeError) as error:
            raise StoreError(f"{path} cannot be read: {explained(error)}.") from error
        except RecordError as error:
            raise StoreError(f"{path} is damaged: {error}.") from error
        if found.schema != SCHEMA:
            raise StoreError(f"{path} has schema {found.schema}, and this samestep reads {SCHEMA}.")
        return found

    def write(self, bisection: Bisection) -> None:
        """Write bisect.json, in place of an older one; raises StoreError."""
        path = self.path / FILE
        text = json.dumps(dataclasses.asdict(bisection), indent=1, allow_nan=False) + "\n"
        try:
            with complete_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {explained(error)}.") from error
