"""Augmentation: a flip and a crop, chosen by a function of (seed, epoch, index), so that every pipeline makes the same.

The image is padded with 4 zeros on each side and a window of 32 × 32 is cut out; half of the windows are mirrored. That
is the usual augmentation of CIFAR-10 (He et al. 2015, section 4.2).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.data.images import SHAPE, SIDE, Images, mixed

Choices = NDArray[np.int32]  # (n, 3): top and left of the window, 0 to 8; 1 where it is mirrored

PAD: Final = 4
OFFSETS: Final = 2 * PAD + 1
EPOCH: Final = 0xD1B54A32D192ED03  # odd numbers far apart, so that no two counters meet
SEED: Final = 0x8CB92BA72F3D8DD7


def choices(seed: int, epoch: int, first: int, count: int) -> Choices:
    """Return what is chosen for `count` samples from index `first`, int32 (count, 3): top, left, mirrored."""
    begin = (seed * SEED + epoch * EPOCH + first) % 2**64
    words = mixed(np.arange(count, dtype=np.uint64) + np.uint64(begin))
    chosen = np.empty((count, 3), np.int32)
    chosen[:, 0] = (words >> np.uint64(40)) % np.uint64(OFFSETS)
    chosen[:, 1] = (words >> np.uint64(16)) % np.uint64(OFFSETS)
    chosen[:, 2] = words >> np.uint64(63)
    return chosen


def apply(images: Images, chosen: Choices) -> Images:
    """Return the augmented images, uint8 (n, 32, 32, 3)."""
    padded = np.zeros((len(images), SIDE + 2 * PAD, SIDE + 2 * PAD, SHAPE[2]), np.uint8)
    padded[:, PAD:-PAD, PAD:-PAD] = images
    made = np.empty(images.shape, np.uint8)
    for at, (top, left, is_mirrored) in enumerate(chosen.tolist()):
        window = padded[at, top : top + SIDE, left : left + SIDE]
        made[at] = window[:, ::-1] if is_mirrored else window
    return made


def apply_one(image: Images, top: int, left: int, is_mirrored: int) -> Images:
    """Return one augmented image, uint8 (32, 32, 3), for pipelines that go sample by sample."""
    padded = np.zeros((SIDE + 2 * PAD, SIDE + 2 * PAD, SHAPE[2]), np.uint8)
    padded[PAD:-PAD, PAD:-PAD] = image
    window = padded[top : top + SIDE, left : left + SIDE]
    return np.ascontiguousarray(window[:, ::-1] if is_mirrored else window)
