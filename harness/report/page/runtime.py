"""Vega's runtime for the live charts of a page: one script, compressed, and the hash that the page's policy allows.

vl-convert builds it in two to four seconds, longer than all the rest of a page but its charts takes, and always the
same for one version. So whoever writes a page into a folder also keeps it in the user's cache folder. What is kept has
its own hash in its name: a damaged file is not used. Without a cache folder it is built each time.
"""

import base64
import contextlib
import functools
import gzip
import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from harness.report.charts import engine
from harness.store.files import complete_file

DISTRIBUTION: Final = "vl-convert-python"
BEGIN: Final = "vega-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The runtime as the page has it."""

    packed: str  # gzip and base64
    sha256: str  # of the script itself, base64, for the content security policy


def runtime(*, keep: bool) -> Runtime:
    """Return the runtime.

    Args:
        keep: where it had to be built, keep it for the next page.

    Raises:
        ChartError: vl-convert cannot build it.
        ImportError: vl-convert is not installed.
    """
    version = metadata.version(DISTRIBUTION)
    compressed = _kept(version)
    if compressed is None:
        compressed = _built()
        if keep:
            with contextlib.suppress(OSError):
                _keep(version, compressed)
    digest = hashlib.sha256(gzip.decompress(compressed)).digest()
    return Runtime(packed=base64.b64encode(compressed).decode("ascii"), sha256=base64.b64encode(digest).decode("ascii"))


@functools.cache
def _built() -> bytes:
    return gzip.compress(engine.javascript().encode(), 9, mtime=0)


def folder() -> Path:
    """Return the folder of what is kept, by the XDG Base Directory Specification; raises OSError without a home."""
    said = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if said.is_absolute():
        return said / "samestep"
    try:
        return Path.home() / ".cache" / "samestep"
    except RuntimeError as error:
        raise OSError("no home folder") from error


def _kept(version: str) -> bytes | None:
    """Return the compressed runtime of this version of vl-convert from the cache; None: there is none that is whole."""
    with contextlib.suppress(OSError):
        for path in sorted(folder().glob(f"{BEGIN}{version}-*.gz")):
            data = path.read_bytes()
            if path.name == _name(version, data):
                return data
    return None


def _keep(version: str, data: bytes) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    with complete_file(folder() / _name(version, data), durable=False) as written:
        written.write_bytes(data)


def _name(version: str, data: bytes) -> str:
    return f"{BEGIN}{version}-{hashlib.sha256(data).hexdigest()[:32]}.gz"
