"""What an archive of a SavedModel says of itself."""

import io
import tarfile
from typing import Final

from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from bench.exports import ExportError
from bench.records.record import Export

GRAPH: Final = "saved_model.pb"
PYTHON: Final = ("PyFunc", "PyFuncStateless", "EagerPyFunc")  # call a function of the process that saved them
# what a SavedModel needs to find, save and restore its variables, and calls of its functions
HOUSEKEEPING: Final = {
    "Const", "DisableCopyOnRead", "Identity", "NoOp", "Pack", "Placeholder", "ReadVariableOp",
    "StatefulPartitionedCall", "PartitionedCall", "MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename",
    "StaticRegexFullMatch", "StringJoin", "Select", "AssignVariableOp", "VarHandleOp", "VarIsInitializedOp",
}  # fmt: skip


def describe(model: bytes) -> Export:
    """Return what the SavedModel holds: the operations of its functions, without those that handle its variables.

    Raises:
        ExportError: it calls Python of the process that saved it, and so runs nowhere else.
        KeyError: the archive holds no SavedModel.
    """
    with tarfile.open(fileobj=io.BytesIO(model)) as opened:
        member = opened.extractfile(GRAPH)
        assert member
        (graph,) = SavedModel.FromString(member.read()).meta_graphs
    operations = [node.op for function in graph.graph_def.library.function for node in function.node_def]
    version = graph.meta_info_def.tensorflow_version
    for operation in operations:
        if operation in PYTHON:
            raise ExportError("TensorFlow", operation, f"SavedModel (TensorFlow {version})", "it calls Python")
    return Export(
        format="saved_model",
        operators=tuple(operation for operation in operations if operation not in HOUSEKEEPING),
        producer=f"TensorFlow {version}",
    )
