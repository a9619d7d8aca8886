"""What a file of Keras on one backend gives to the step that all backends share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras

from bench.frameworks._keras.models import Loss
from bench.records.record import ModeProof

# How a step ran on its backend
EAGER: Final = "eager"  # its Python code ran in every step
GRAPH: Final = "graph"  # traced into a graph, not compiled
COMPILED: Final = "jit"


def _arrays(x: Any, y: Any) -> Mapping[str, Any]:
    return {"x": keras.ops.convert_to_tensor(x), "y": keras.ops.convert_to_tensor(y), "batch_size": len(x)}


@dataclass(frozen=True, slots=True)
class Backend:
    """What Keras does not say of the library that computes for it."""

    gradient: Callable[[keras.Model, Loss, Any, Any], Sequence[Any]]  # of the loss by the trainable variables
    uncompiled: str  # how a step runs that `compile` leaves uncompiled: EAGER or GRAPH
    prove: Callable[[keras.Model], ModeProof]  # how the step ran; the proof's mode is EAGER, GRAPH or COMPILED
    products: Callable[[keras.Model, Any], set[str]]  # dtypes that the model multiplies, for a batch
    round_to_tf32: Callable[[], str]  # switch it on; why that cannot be, as one sentence; empty: done
    prepare: Callable[[keras.Model], None] = lambda model: None  # what has to be done before the first step
    forget: Callable[[keras.Model], None] = lambda model: None  # drop what Keras holds of the last step, for a reset
    place: Callable[[Any], Any] = keras.ops.convert_to_tensor  # NumPy's x or y on the device
    # from NumPy's x and y what `fit` takes fastest, one batch an epoch
    feed: Callable[[Any, Any], Mapping[str, Any]] = _arrays
