"""The last steps of every export: names, versions, and a check that ONNX knows what was written."""

import onnx

from bench.exports.onnx import INPUT, IR_VERSION, OPSET, OUTPUT, ExportError


def finished(model: onnx.ModelProto, framework: str) -> bytes:
    """Return the file of `model` with its one input and one output named, at the suite's versions of ONNX.

    A newer IR version is a superset of an older one, so only its number is set; an opset cannot be changed like that.

    Raises:
        ExportError: an operator that ONNX does not have in this opset.
        onnx.checker.ValidationError: the model is malformed in another way.
    """
    (given,), (made,) = model.graph.input, model.graph.output
    _rename(model.graph, given.name, INPUT)
    _rename(model.graph, made.name, OUTPUT)
    model.ir_version = IR_VERSION
    (opset,) = (imported.version for imported in model.opset_import if not imported.domain)
    for node in model.graph.node:
        # an exporter that does not know an operator may copy it unchanged
        if opset != OPSET or not onnx.defs.has(node.op_type, OPSET, node.domain):
            raise ExportError(framework, node.op_type, f"{model.producer_name} wrote it for opset {opset}")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for value in (*graph.input, *graph.output):
        value.name = new if value.name == old else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
