"""ONNX Runtime's inference of the regression by itself: `python -P programs/onnxruntime.py MODE MODEL`.

MODEL is an ONNX file that the framework of MODE (from-torch, from-keras, from-jax) trained and exported. Needs nothing
but onnxruntime and NumPy. `-P` keeps this folder off the module path, where this file would stand for the library.
"""

import gc
import json
import os
import statistics
import sys
import time

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort

ROUNDS = int(os.environ.get("ROUNDS", "20"))


def main(mode: str, model: str) -> None:
    """Measure one inference of 200 points on one thread and print it as one line of JSON."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    x = np.random.default_rng(42).standard_normal((200, 1)).astype(np.float32)
    prediction = np.empty((200, 1), dtype=np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(x))
    binding.bind_output("prediction", "cpu", 0, np.float32, prediction.shape, prediction.ctypes.data)

    def timed(calls: int) -> float:
        gc.collect()
        begin = time.perf_counter()
        for _ in range(calls):
            session.run_with_iobinding(binding)
        return time.perf_counter() - begin

    calls, warm = 1, time.perf_counter() + 1.5
    while (seconds := timed(calls)) < 0.005 or time.perf_counter() < warm:
        calls *= 2 if seconds < 0.005 else 1
    gc.freeze()
    gc.disable()
    print("rounds", flush=True)
    rounds = []
    for _ in range(ROUNDS):
        seconds = timed(calls)
        end_ns = time.perf_counter_ns()
        rounds.append((end_ns - round(1e9 * seconds), end_ns, calls))
    step_us = statistics.median((end - begin) / steps for begin, end, steps in rounds) / 1e3

    intercept, slope = np.linalg.lstsq(np.hstack([np.ones_like(x), x]), prediction, rcond=None)[0].ravel()
    result = {"framework": "onnxruntime", "mode": mode, "step_us": step_us, "rounds": rounds}
    print(json.dumps({**result, "weight": float(slope), "bias": float(intercept)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
