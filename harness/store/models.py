"""The models of a run: trained parameters, exported models, expected predictions. Each file is called by its SHA-256.

models/<sha256>       the bytes
models/trained.json   by workload and size: which are the trained parameters, and the predictions at each batch
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.records.record import Record
from bench.turns.turn import Artifact
from harness.store.files import complete_file

FOLDER: Final = "models"
INDEX_FILE: Final = "trained.json"


class Models:
    """The folder `models` of a run; it is made when the first file is kept."""

    def __init__(self, run: Path) -> None:
        """Keep the files in the run's folder `run`."""
        self.folder = run / FOLDER

    def kept(self, record: Record) -> Record:
        """Return `record` without the bytes of its export, which are in the folder when this returns.

        Raises:
            OSError: they cannot be written.
        """
        if record.export is None or not record.export.model_base64:
            return record
        try:
            data = base64.b64decode(record.export.model_base64, validate=True)
        except ValueError:  # it was damaged on its way: `bench.turns.artifacts` will say so of an empty file
            data = b""
        name = record.export.sha256
        if hashlib.sha256(data).hexdigest() == name:
            self.folder.mkdir(exist_ok=True)
            with complete_file(self.folder / name) as temporary:
                temporary.write_bytes(data)
        return dataclasses.replace(record, export=dataclasses.replace(record.export, model_base64=""))

    def artifact(self, sha256: str) -> Artifact:
        """Return where a turn on this host reads the file of that digest."""
        return Artifact(sha256=sha256, path=str((self.folder / sha256).resolve()))

    def trained(self) -> Mapping[str, Any]:
        """Return what `write_trained` wrote; empty: nothing that can be read."""
        try:
            read = json.loads((self.folder / INDEX_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def write_trained(self, index: Mapping[str, Any]) -> None:
        """Write which files are the trained models; raises OSError."""
        with complete_file(self.folder / INDEX_FILE) as temporary:
            temporary.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def inline(artifact: Artifact, most_bytes: int) -> Artifact | None:
    """Return `artifact` with its bytes in it, for a process that cannot read its path; None: they are too many.

    A file that cannot be read stays a path: the turn says what is wrong with it.
    """
    try:
        data = Path(artifact.path).read_bytes()
    except OSError:
        return artifact
    if len(data) > most_bytes:
        return None
    return dataclasses.replace(artifact, path="", base64=base64.b64encode(data).decode("ascii"))
