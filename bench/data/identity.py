"""Which samples a pipeline gave: compared with those of the generator, batch by batch and as a whole.

What is hashed is what the step consumes before it becomes float32: pixels as uint8 after decoding and augmentation,
labels as int32. A pipeline without an order is compared as a multiset: by the sum of a digest of each sample.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.data import augment
from bench.data.images import PIXELS, images, labels

MULTISET_BYTES: Final = 16


class Samples(NamedTuple):
    """What one step consumes, before it becomes float32."""

    x: NDArray[np.uint8]  # (n, 32, 32, 3)
    y: NDArray[np.int32]  # (n,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Of all samples of an epoch."""

    samples: int
    sha256: str  # of the bytes in their order, whatever the batches
    multiset: str  # sum of BLAKE2b of each sample, modulo 2^128: the same in any order


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A pipeline's epoch beside the generator's."""

    given: Digest
    expected: Digest
    difference: str  # where the first difference is, as the end of a sentence; empty: there is none


class Hash:
    """Sums up samples."""

    def __init__(self) -> None:
        self._samples = 0
        self._x, self._y = hashlib.sha256(), hashlib.sha256()
        self._sum = 0

    def update(self, batch: Samples) -> None:
        """Add one batch."""
        x, y = np.ascontiguousarray(batch.x), batch.y.astype("<i4")
        self._samples += len(y)
        self._x.update(x.data)
        self._y.update(y.data)
        for image, label in zip(x.reshape(len(y), -1), y.tolist(), strict=True):
            one = hashlib.blake2b(image.data, digest_size=MULTISET_BYTES, salt=label.to_bytes(16, "little"))
            self._sum += int.from_bytes(one.digest(), "little")

    def digest(self) -> Digest:
        """Return the digest of all so far."""
        both = hashlib.sha256(self._x.digest() + self._y.digest())
        total = self._sum % 2 ** (8 * MULTISET_BYTES)
        return Digest(samples=self._samples, sha256=both.hexdigest(), multiset=f"{total:0{2 * MULTISET_BYTES}x}")


def batch_of(first: int, count: int, *, seed: int, epoch: int, augments: bool = True) -> Samples:
    """Return the samples from index `first` as every pipeline has to give them in this epoch."""
    x = images(first, count)
    if augments:
        x = augment.apply(x, augment.choices(seed, epoch, first, count))
    return Samples(x, labels(first, count))


def epoch_of(samples: int, batch: int, *, seed: int, epoch: int, augments: bool = True) -> Iterator[Samples]:
    """Yield the batches of one epoch."""
    for first in range(0, samples, batch):
        yield batch_of(first, min(batch, samples - first), seed=seed, epoch=epoch, augments=augments)


def as_samples(x: Any, y: Any) -> Samples:
    """Return a batch of a framework as NumPy arrays.

    Raises:
        ValueError: the pixels are not uint8 of 32 × 32 × 3, or the labels no integers, one for each.
    """
    pixels, targets = np.asarray(x), np.asarray(y)
    if pixels.dtype != np.uint8 or pixels.size != len(targets) * PIXELS or targets.dtype.kind not in "iu":
        raise ValueError(f"a batch has {pixels.dtype} {pixels.shape} and {targets.dtype} {targets.shape}")
    return Samples(pixels.reshape(len(targets), 32, 32, 3), targets.astype(np.int32))


def compare(given: Iterable[Samples], expected: Iterable[Samples], *, ordered: bool) -> Identity:
    """Return both epochs' digests, and the first difference that counts."""
    ours, theirs = Hash(), Hash()
    first = None
    for number, (ran, wanted) in enumerate(itertools.zip_longest(given, expected)):
        if ran is not None:
            ours.update(ran)
        if wanted is not None:
            theirs.update(wanted)
        if first is None and (ran is None or wanted is None or not _equal(ran, wanted)):
            first = number
    digest, reference = ours.digest(), theirs.digest()
    return Identity(given=digest, expected=reference, difference=_difference(digest, reference, first, ordered=ordered))


def _equal(a: Samples, b: Samples) -> bool:
    return np.array_equal(a.x, b.x) and np.array_equal(a.y, b.y)


def _difference(given: Digest, expected: Digest, first: int | None, *, ordered: bool) -> str:
    if given.multiset == expected.multiset and given.samples == expected.samples:
        if given.sha256 == expected.sha256 or not ordered:
            return ""
        return f"the same samples in another order, from batch {first} on"
    if given.samples != expected.samples:
        kind = "missing" if given.samples < expected.samples else "too many"
        off = abs(given.samples - expected.samples)
        return f"{given.samples} samples and not {expected.samples}: {off} {kind}, from batch {first} on"
    return f"other samples from batch {first} on"
