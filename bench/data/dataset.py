"""A data set on disk: its sizes, its files, and whether they are what the generator makes.

    FOLDER/64MB/manifest.json            version, samples, and of each file its bytes and their SHA-256
    FOLDER/64MB/images-00000.npy         uint8 (n, 32, 32, 3); formats "memory" and "memmap"
    FOLDER/64MB/labels-00000.npy         int32 (n,)
    FOLDER/64MB/records-00000.tfrecord   format "records" (`bench.data.records`)
    FOLDER/64MB/webdataset-00000.tar     format "webdataset" (`bench.data.tar`)
    FOLDER/64MB/parquet-00000.parquet    format "parquet" (`bench.data.parquet`)

The manifest is written last: a format that it names is complete. A damaged file is found by its digest; the byte where
it begins to differ by making its content again.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data import FORMATS, SIZES, images, parquet, records, tar

VERSION: Final = 1  # of the generator: another one makes other bytes
MANIFEST: Final = "manifest.json"
GRAIN: Final = 256  # samples: each batch of the workloads divides it, so no batch is short
SHARD: Final = 8192  # samples, 25 MB of pixels
NPY_HEADER: Final = 128
SUFFIXES: Final[Mapping[str, str]] = {
    "images": "npy",
    "labels": "npy",
    "records": "tfrecord",
    "webdataset": "tar",
    "parquet": "parquet",
}
SAMPLE_BYTES: Final[Mapping[str, int]] = {
    "images": images.PIXELS,
    "labels": 4,
    "records": records.RECORD_BYTES,
    "webdataset": tar.SAMPLE_BYTES,
}
BEGIN_BYTES: Final[Mapping[str, int]] = {  # before the first sample
    "images": NPY_HEADER,
    "labels": NPY_HEADER,
    "parquet": len(parquet.MAGIC),
}
END_BYTES: Final[Mapping[str, int]] = {"webdataset": tar.END_BYTES}  # after the last one


class DataError(Exception):
    """A data set cannot be read; one sentence, with the file and the offset."""


class Part(NamedTuple):
    """One shard: its number, and its samples."""

    number: int
    first: int
    samples: int


def samples_of(size: str) -> int:
    """Return how many samples a data set has; raises KeyError for no such size."""
    return SIZES[size] * 1_000_000 // images.PIXELS // GRAIN * GRAIN


def parts_of(samples: int) -> tuple[Part, ...]:
    """Return the shards of so many samples."""
    firsts = range(0, samples, SHARD)
    return tuple(Part(number, first, min(SHARD, samples - first)) for number, first in enumerate(firsts))


def kinds_of(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of file that these formats read."""
    return tuple(dict.fromkeys(kind for name in formats for kind in FORMATS[name]))


def bytes_of(size: str, formats: Sequence[str]) -> int:
    """Return the bytes of all files that these formats of a data set have, without the manifest."""
    parts = parts_of(samples_of(size))
    return sum(file_bytes(kind, part.samples) for kind in kinds_of(formats) for part in parts)


def file_bytes(kind: str, count: int) -> int:
    """Return the bytes of a shard with `count` samples."""
    if kind == "parquet":
        return parquet.file_bytes(count)
    return BEGIN_BYTES.get(kind, 0) + SAMPLE_BYTES[kind] * count + END_BYTES.get(kind, 0)


def sample_at(kind: str, part: Part, offset: int) -> int | None:
    """Return which sample of the data set a byte of a shard belongs to; None: to none."""
    if kind == "parquet":
        within = parquet.sample_at(offset, part.samples)
    else:
        within = (offset - BEGIN_BYTES.get(kind, 0)) // SAMPLE_BYTES[kind]
    return None if within is None or not 0 <= within < part.samples else part.first + within


def file_name(kind: str, number: int) -> str:
    """Return the name of a shard's file."""
    return f"{kind}-{number:05}.{SUFFIXES[kind]}"


def content(kind: str, part: Part, *, block: int = 2048) -> Iterator[bytes]:
    """Yield the bytes of one shard, piece by piece: what is before the samples, some at a time, what is after them."""
    if kind == "images":
        yield npy_header("|u1", (part.samples, *images.SHAPE))
    elif kind == "labels":
        yield npy_header("<i4", (part.samples,))
    elif kind == "parquet":
        yield parquet.MAGIC
    for first in range(part.first, part.first + part.samples, block):
        count = min(block, part.first + part.samples - first)
        yield from _encoded(kind, first, count)
    if kind == "webdataset":
        yield bytes(tar.END_BYTES)
    elif kind == "parquet":
        yield parquet.footer(part.samples)


def _encoded(kind: str, first: int, count: int) -> Iterator[bytes]:
    """Yield samples as they lie in the files of a kind."""
    labels = images.labels(first, count)
    if kind == "labels":
        yield labels.astype("<i4").tobytes()
        return
    pixels = images.images(first, count)
    if kind == "images":
        yield pixels.tobytes()
    elif kind == "records":
        yield records.encoded(pixels, labels).tobytes()
    elif kind == "webdataset":
        yield tar.encoded(first, pixels, labels).tobytes()
    else:
        yield from parquet.encoded(pixels, labels)


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the first bytes of a .npy file, format 1.0; what NumPy writes depends on its version."""
    described = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    length = NPY_HEADER - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + f"{described:<{length - 1}}\n".encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set whose manifest was read; its files may be damaged."""

    folder: Path
    size: str
    samples: int
    files: Mapping[str, tuple[int, str]]  # by name, the bytes and their SHA-256

    def shards(self, kind: str) -> tuple[Path, ...]:
        """Return the files of one kind, in order."""
        return tuple(self.folder / file_name(kind, part.number) for part in parts_of(self.samples))

    def paths(self, format: str) -> tuple[Path, ...]:
        """Return all files that a format reads."""
        return tuple(path for kind in FORMATS[format] for path in self.shards(kind))

    def mapped(self) -> tuple[tuple[NDArray[np.uint8], NDArray[np.int32]], ...]:
        """Return images (n, 32, 32, 3) and labels (n,) of each shard, mapped into memory read-only."""
        pairs = zip(self.shards("images"), self.shards("labels"), strict=True)
        return tuple((np.load(x, mmap_mode="r"), np.load(y, mmap_mode="r")) for x, y in pairs)

    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Return all images (n, 32, 32, 3) and labels (n,), read into memory."""
        pairs = self.mapped()
        return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])

    def sha256(self, format: str) -> str:
        """Return the digest of the digests of all files of a format: equal bytes, equal digest."""
        lines = (f"{path.name} {self.files[path.name][1]}\n" for path in self.paths(format))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def verify(self, format: str) -> None:
        """Read every file of a format.

        Raises:
            DataError: one is missing, short or damaged; the file, the byte and the sample where it begins.
        """
        for kind in FORMATS[format]:
            for path, part in zip(self.shards(kind), parts_of(self.samples), strict=True):
                _require_whole(path, kind, part, self.files)


class RecordReader:
    """Reads single records where they lie, all being of the same length; may be copied into worker processes."""

    def __init__(self, data: Dataset) -> None:
        self._files = [os.open(shard, os.O_RDONLY) for shard in data.shards("records")]

    def sample(self, index: int) -> tuple[images.Images, int]:
        """Return image (32, 32, 3) and label of one sample; raises zlib.error where it is damaged."""
        shard, at = divmod(index, SHARD)
        offset = at * records.RECORD_BYTES + records.FRAME_BEGIN
        return records.decoded(os.pread(self._files[shard], records.PAYLOAD_BYTES, offset))


def open_dataset(folder: Path, size: str) -> Dataset:
    """Return the data set of a size in `folder`; raises DataError where there is none."""
    path = folder / size / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        files = {name: (int(file["bytes"]), str(file["sha256"])) for name, file in told["files"].items()}
        version, samples = told["version"], told["samples"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no manifest of a data set ({error}): samestep run --stream {size} makes one"
        ) from error
    if (version, samples) != (VERSION, samples_of(size)):
        raise DataError(f"{path} is of another version of the generator: remove {path.parent}")
    return Dataset(folder=folder / size, size=size, samples=samples, files=files)


def manifest(size: str, files: Mapping[str, tuple[int, str]]) -> str:
    """Return the text of the manifest."""
    told: dict[str, Any] = {"version": VERSION, "size": size, "samples": samples_of(size)}
    told["files"] = {name: {"bytes": bytes_, "sha256": sha} for name, (bytes_, sha) in sorted(files.items())}
    return json.dumps(told, indent=1) + "\n"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def drop_from_page_cache(paths: Sequence[Path]) -> None:
    """Ask the kernel to forget the pages of these files, as any user may who can read them; raises OSError.

    It keeps pages that are mapped or not yet written. Whether it forgot is to be proved by what is read afterwards.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _require_whole(path: Path, kind: str, part: Part, files: Mapping[str, tuple[int, str]]) -> None:
    remedy = f"remove {path.parent} and it is made again"
    try:
        found = digest_of(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    if path.name not in files:
        raise DataError(f"{path} is not in the manifest: {remedy}")
    if found == files[path.name][1]:
        return
    offset = _first_difference(path, kind, part)
    sample = sample_at(kind, part, offset)
    outside = "in its header" if offset < BEGIN_BYTES.get(kind, 0) else "outside of its samples"
    where = outside if sample is None else f"in sample {sample}"
    raise DataError(f"{path} is damaged at byte {offset}, {where}: {remedy}")


def _first_difference(path: Path, kind: str, part: Part) -> int:
    """Return the first byte in which the file is not what the generator makes; its length where one is a part."""
    offset = 0
    with path.open("rb") as file:
        for expected in content(kind, part):
            actual = file.read(len(expected))
            if actual != expected:
                same = min(len(actual), len(expected))
                differing = np.flatnonzero(
                    np.frombuffer(actual, np.uint8, same) != np.frombuffer(expected, np.uint8, same)
                )
                return offset + (int(differing[0]) if len(differing) else same)
            offset += len(expected)
    return offset
