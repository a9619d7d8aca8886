"""The files of a run that a turn needs, read where they are or from the turn; bytes that were changed are refused."""

import base64
import binascii
import hashlib
from pathlib import Path

from bench.turns.turn import Artifact


class ArtifactError(Exception):
    """A file of the run cannot be used; one sentence."""


def content(artifact: Artifact, what: str) -> bytes:
    """Return the bytes of `artifact`; `what` names it in the sentence, such as "the model".

    Raises:
        ArtifactError: they are not there, or not those that the run keeps.
    """
    try:
        data = Path(artifact.path).read_bytes() if artifact.path else base64.b64decode(artifact.base64, validate=True)
    except OSError as error:
        raise ArtifactError(f"{what} cannot be read from {artifact.path} ({error.strerror})") from error
    except binascii.Error as error:
        raise ArtifactError(f"{what} of this turn is damaged ({error})") from error
    require(artifact, data, what)
    return data


def require(artifact: Artifact, data: bytes, what: str) -> None:
    """Raise ArtifactError unless `data` are the bytes of `artifact`."""
    if (found := hashlib.sha256(data).hexdigest()) != artifact.sha256:
        raise ArtifactError(
            f"{what} was changed after it was written: its SHA-256 is {found[:12]}…, in the record it is"
            f" {artifact.sha256[:12]}…; a new run writes it again"
        )
