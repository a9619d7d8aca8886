"""Lightning on one device: the model, the optimiser's state and the allocator's cache stay there from fit to fit.

After each fit Lightning's own strategy moves the model and the optimiser's state to the CPU, and its accelerator for
NVIDIA GPUs empties PyTorch's cache before and after. For one fit in a process that is tidy. A suite that calls `fit` in
every round would read a model that is on the CPU, and would time the device's own allocations. Strategy and accelerator
are Lightning's documented places for such a choice. A third call that empties the cache has no such place: it follows
the restoring of a checkpoint, also where there is none. The loop that runs the steps is untouched.
"""

import lightning
import torch
from lightning.pytorch.accelerators import Accelerator, CPUAccelerator, CUDAAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy


class _Cuda(CUDAAccelerator):  # type: ignore[misc]
    """The accelerator without the calls that empty the allocator's cache."""

    def setup(self, trainer: lightning.Trainer) -> None:
        self.set_nvidia_flags(trainer.local_rank)

    def teardown(self) -> None:
        """Do nothing."""


class _Resident(SingleDeviceStrategy):  # type: ignore[misc]
    """The strategy without the moves to the CPU at the end of a fit."""

    def teardown(self) -> None:
        self.precision_plugin.teardown()
        assert self.accelerator is not None
        self.accelerator.teardown()
        self.checkpoint_io.teardown()


def resident_on(device: torch.device) -> SingleDeviceStrategy:
    """Return the strategy for `device`, "cuda" being the current one, with its accelerator."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    accelerator: Accelerator = CPUAccelerator() if device.type == "cpu" else _Cuda()
    return _Resident(device=device, accelerator=accelerator)


def keep_cache(trainer: lightning.Trainer) -> None:
    """Let the trainer begin a fit without emptying the allocator's cache after a checkpoint that it has not read."""
    connector = trainer._checkpoint_connector
    resume_end = connector.resume_end

    def resumed() -> None:
        if connector._ckpt_path:
            resume_end()

    connector.resume_end = resumed
