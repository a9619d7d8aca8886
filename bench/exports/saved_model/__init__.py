"""SavedModel, TensorFlow's own format: a folder, kept here as an archive of it (tar, without compression)."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def packed(save: Callable[[str], Any]) -> bytes:
    """Return what `save` writes into a folder as an archive: its files by name, without times and owners."""
    written = io.BytesIO()
    with TemporaryDirectory() as folder, tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        save(folder)
        for path in sorted(Path(folder).rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                entry.size = path.stat().st_size
                archive.addfile(entry, io.BytesIO(path.read_bytes()))
    return written.getvalue()


def unpacked(archive: Path) -> Path:
    """Unpack the archive into a folder beside it and return that.

    Raises:
        tarfile.TarError: it is damaged, or would write elsewhere.
    """
    folder = archive.with_suffix("")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder
