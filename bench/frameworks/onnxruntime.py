"""ONNX Runtime: inference of the trained model that another framework exported, bound once to its input and output.

A step is one inference of the whole batch; nothing is trained here. Without a batch the model is the regression that
the source's framework trained, at a batch it has the run's trained parameters. Input and output are bound before the
first call (I/O binding): `session.run` would look both up by name and allocate the output in every call, and take twice
as long.
"""

import os
from collections.abc import Sequence
from typing import Final

import numpy as np
import onnxruntime as ort

from bench.exports.onnx import INPUT, OUTPUT
from bench.frameworks import _onnxruntime_arena as arena
from bench.frameworks import _onnxruntime_graph as graph
from bench.frameworks._onnxruntime_models import FORWARD
from bench.interface import Output, Skip, Step
from bench.records.record import Allocator, ModeProof
from bench.reference.workload import KINGMA_BA, Array32, Array64, Workload

MODES = {
    "from-torch": "inference of the model that PyTorch trained and torch.onnx.export wrote",
    "from-keras": "inference of the model that Keras on TensorFlow trained and tf2onnx wrote",
    "from-jax": "inference of the model that JAX trained and jax2onnx wrote",
    "from-torch-int8": "from-torch with weights of 8 bits; their operands are rounded to 8 bits in each call",
    "from-torch-int8-static": "from-torch with products of 8 bits; scales of the operands fixed by the training inputs",
    "from-torch-pruned-50": "from-torch with half of each weight matrix zero, the smallest numbers; in dense products",
    "from-torch-pruned-90": "from-torch with 90 % of each weight matrix zero, the smallest numbers; in dense products",
    "from-flax": "inference of the model that Flax trained and jax2onnx wrote",
}
BASELINE = ""
SOURCES = {
    "from-torch": "torch/onnx",
    "from-keras": "keras_tensorflow/onnx",
    "from-jax": "jax/onnx",
    "from-flax": "flax/onnx",
    "from-torch-int8": "torch/onnx_int8",
    "from-torch-int8-static": "torch/onnx_int8_static",
    "from-torch-pruned-50": "torch/onnx_pruned_50",
    "from-torch-pruned-90": "torch/onnx_pruned_90",
}
PRECISIONS = {
    "from-torch-int8": "int8",
    "from-torch-int8-static": "int8",
    "from-torch-pruned-50": "pruned-50",
    "from-torch-pruned-90": "pruned-90",
}
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",  # the wheels send usage data since 1.29, and keep it in ~/.cache until they can
    "SAMESTEP_MODEL": "{scratch}/model.onnx",
}
ALLOCATORS = {
    "kNextPowerOfTwo": {"ORT_ARENA_EXTEND_STRATEGY": "0"},  # read by this file: ONNX Runtime reads no variable
    "kSameAsRequested": {"ORT_ARENA_EXTEND_STRATEGY": "1"},
}
ALLOCATOR_DEVICES = ("cpu", "cuda")
ADAM = KINGMA_BA  # a trained model is compared with NumPy's predictions; in the regression the two formulas end alike
PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_device = "cpu"
_threads = 1
_policy = ""  # of the session's arena, as read back


def start(device: str, threads: int) -> None:
    """Choose the execution provider; the threads are an option of the session, which `build` makes."""
    global _device, _threads
    if PROVIDERS[device] not in ort.get_available_providers():
        raise RuntimeError(f"this build of ONNX Runtime has no {PROVIDERS[device]}")
    if device == "cuda":
        ort.preload_dlls()  # from NVIDIA's wheels, where they are not on the linker's path
        ort.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), device)  # creates the CUDA context
    _device, _threads = device, threads


def build(workload: Workload, mode: str, precision: str) -> Step | Skip:
    """Return inference of the model at SAMESTEP_MODEL; the graph is optimised here, when the session is made."""
    has = PRECISIONS.get(mode, "float32")
    if precision != has:
        return Skip(f"{mode} of ONNX Runtime has {has} only, not {precision}")
    if has == "int8" and _device != "cpu":
        return Skip("ONNX Runtime's quantised operators are measured on the CPU only")
    global _policy
    session = _session(os.environ["SAMESTEP_MODEL"])
    _policy = arena.policy_of(session, _device, tuple(ALLOCATORS))
    x = workload.batch.x  # (n, …)
    given = ort.OrtValue.ortvalue_from_numpy(x, _device)
    made = ort.OrtValue.ortvalue_from_shape_and_type(session.get_outputs()[0].shape, x.dtype, _device)
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT, given)
    binding.bind_ortvalue_output(OUTPUT, made)
    infer = session.run_with_iobinding

    def call() -> ort.OrtValue:
        infer(binding)
        return made

    def predict(batch: Array32) -> Array32:
        return np.asarray(session.run([OUTPUT], {INPUT: batch})[0])

    return Step(
        call=call,
        reset=lambda: None,  # a trained model has no state
        parameters=lambda: FORWARD[workload.name](predict, workload),
        proof=lambda: _proof(session, made),
        inference=True,
    )


def _session(model: str, optimized: str = "") -> ort.InferenceSession:
    """Return a session of the model on the chosen provider alone, which writes its optimised graph to `optimized`.

    Raises:
        onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile: there is no such file.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = _threads
    options.inter_op_num_threads = _threads
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    if optimized:
        options.optimized_model_filepath = optimized
        options.log_severity_level = 3  # it warns that this graph is for this kind of processor
    strategy = os.environ.get(arena.STRATEGY)
    if _device == "cpu":
        if strategy is not None:
            arena.share(int(strategy))
            options.add_session_config_entry(arena.USE_SHARED, "1")
        return ort.InferenceSession(model, options, providers=[PROVIDERS["cpu"]])
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    cuda = {"use_tf32": "0"} | ({} if strategy is None else {"arena_extend_strategy": tuple(ALLOCATORS)[int(strategy)]})
    # without a second attempt on the CPU, whose error would hide the first
    return ort.InferenceSession(model, options, providers=[(PROVIDERS["cuda"], cuda)], enable_fallback=0)


def _proof(session: ort.InferenceSession, output: ort.OrtValue) -> ModeProof:
    """Return what the session says of itself: whose model it runs, where, and with how many threads."""
    model = os.environ["SAMESTEP_MODEL"]
    ran = graph.read(model, lambda path: _session(model, path))
    options = session.get_session_options()
    provider = session.get_providers()[0]
    tf32 = session.get_provider_options()[provider].get("use_tf32")
    return ModeProof(
        mode=ran.mode,
        device=next((device for device, name in PROVIDERS.items() if name == provider), provider),
        threads=options.intra_op_num_threads,
        precision=_dtype(session.get_inputs()[0].type),
        compute_precision=ran.products,
        compilations=None,
        output_device=output.device_name(),
        output_precision=_dtype(output.data_type()),
        matmul_precision="" if tf32 is None else f"use_tf32 is {tf32}",
        tf32=None if tf32 is None else tf32 != "0",
        deterministic=options.use_deterministic_compute,
        evidence=f"{ran.evidence}; providers {', '.join(session.get_providers())}; "
        f"{options.intra_op_num_threads} threads in an operator, {options.inter_op_num_threads} between operators, "
        f"{options.execution_mode.name}, {options.graph_optimization_level.name}; the dtype is the input's",
    )


def _dtype(kind: str) -> str:
    """Return NumPy's name of ONNX Runtime's `kind` of tensor, or `kind` itself where it is not in use here."""
    return {"tensor(float)": "float32"}.get(kind, kind)


def wait(outputs: Sequence[Output]) -> None:
    """Return at once: ONNX Runtime waits for its provider at the end of each inference."""


def to_numpy(outputs: Sequence[Output]) -> Array64:
    """Return the predictions of the last inference, shape (n,): each inference writes to the same memory."""
    return np.asarray(outputs[-1].numpy(), dtype=np.float64).ravel()


def memory() -> Allocator:
    """No statistics: the Python interface shows none of ONNX Runtime's arenas."""
    return Allocator(policy=_policy, why="ONNX Runtime's Python interface shows nothing of its arenas")


def empty_cache() -> bool:
    """An arena shrinks when its session ends, not by a call of its own."""
    return False


def versions() -> Sequence[str]:
    """ONNX Runtime, and NumPy for the inputs."""
    return (f"onnxruntime=={ort.__version__}", f"numpy=={np.__version__}")
