"""The perceptron in OpenVINO: `python -P programs/mlp/inference/openvino.py MODE MODEL BATCH`."""

import runpy
from pathlib import Path

import openvino as ov
import openvino.properties as props
import openvino.properties.hint as hints


def load(model, x):
    """As in OpenVINO's page "Integrate OpenVINO with Your Application"."""
    core = ov.Core()
    config = {hints.inference_precision: ov.Type.f32, props.inference_num_threads: 1, props.streams.num: 1}
    compiled_model = core.compile_model(model, "CPU", config)
    infer_request = compiled_model.create_infer_request()
    infer_request.set_input_tensor(ov.Tensor(array=x, shared_memory=True))  # the loop keeps x alive
    return lambda: infer_request.infer(share_outputs=True)


if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_measure.py")))["main"]("openvino", load)
