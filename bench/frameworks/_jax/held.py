"""What a training step keeps between calls: parameters and the optimizer's state."""

from collections.abc import Mapping

import jax
import numpy as np

from bench.frameworks._jax.optimizers import State
from bench.reference.workload import Adam, Array32, Workload


class _Held:
    """The newest state, where `wait` finds it: a step's loss is ready before its last update is."""

    state = State({}, {}, {}, np.float32(0))
    output: jax.Array | None = None  # of the last call
    given: State | None = None  # what the last call took, where it was to be donated

    def release(self) -> None:
        """Let go of every array."""
        self.state, self.output, self.given = State({}, {}, {}, np.float32(0)), None, None


_held = _Held()


def _initial(workload: Workload) -> State:
    """Return the state before the first step, on the device."""
    zeros = {name: np.zeros_like(array) for name, array in workload.parameters.items()}
    moments = zeros if isinstance(workload.update, Adam) else {}
    # An array that lies in NumPy's memory is never written to: XLA copies it when it is donated.
    state: State = jax.device_put(State(dict(workload.parameters), moments, moments, np.float32(0)))
    return state


def _parameters() -> Mapping[str, Array32]:
    return {name: np.array(p) for name, p in _held.state.parameters.items()}


def _weight() -> jax.Array:
    return next(iter(_held.state.parameters.values()))
