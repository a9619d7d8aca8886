"""The webdataset library over its own shards: decoded, augmented and batched by it, in PyTorch's DataLoader.

Workers share the shards out among them: which sample comes first is theirs to decide, and one without a shard has
nothing to do. A sample's name is its index, from which its flip and crop follow.
"""

from collections.abc import Mapping
from typing import Any

import torch
import webdataset

from bench.data import augment, records
from bench.data.dataset import Dataset


def batches_of(data: Dataset, batch: int, seed: int, epoch: torch.Tensor) -> Any:
    """Return the iterable dataset of batches; `epoch`, one integer, is read as each sample is augmented."""

    def augmented(sample: Mapping[str, Any]) -> tuple[torch.Tensor, int]:
        (chosen,) = augment.choices(seed, int(epoch), int(sample["__key__"]), 1).tolist()
        return torch.from_numpy(augment.apply_one(sample["zlib"], *chosen)), sample["cls"]

    shards = [str(path) for path in data.shards("webdataset")]
    samples = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    return samples.decode(webdataset.handle_extension("zlib", records.inflated)).map(augmented).batched(batch)
