"""The state of the one step that a process runs: held in the module, so that `wait` can wait for the newest."""

from collections.abc import Mapping

import jax
import numpy as np

from bench.frameworks._jax.optimizers import State
from bench.reference.workload import Adam, Array32, Workload


class Held:
    """The newest state, where `wait` finds it: a step's loss is ready before its last update is."""

    state = State({}, {}, {}, np.float32(0))
    fixed: Mapping[str, jax.Array] = {}  # parameters of a forward pass, which no call changes and none waits for
    output: jax.Array | None = None  # of the last call
    given: State | None = None  # what the last call took, where it was to be donated

    def parameters(self) -> Mapping[str, Array32]:
        """Return copies of the newest parameters."""
        return {name: np.array(p) for name, p in self._newest().items()}

    def weight(self) -> jax.Array:
        """Return the first of the newest parameters, on the device."""
        return next(iter(self._newest().values()))

    def restart(self, workload: Workload) -> None:
        """Begin anew, once the old state is gone: two would be in the allocator's peak, which cannot be reset."""
        self.release()
        self.state = initial(workload)

    def release(self) -> None:
        """Let go of every array, once nothing computes with it any more."""
        jax.block_until_ready((self.state, self.output))
        self.state, self.output, self.given = State({}, {}, {}, np.float32(0)), None, None
        self.fixed = {}

    def _newest(self) -> Mapping[str, jax.Array]:
        return self.fixed or self.state.parameters


held = Held()


def initial(workload: Workload) -> State:
    """Return the state before the first step, on the device."""
    zeros = {name: np.zeros_like(array) for name, array in workload.parameters.items()}
    moments = zeros if isinstance(workload.update, Adam) else {}
    # An array that lies in NumPy's memory is never written to: XLA copies it when it is donated.
    state: State = jax.device_put(State(dict(workload.parameters), moments, moments, np.float32(0)))
    return state
