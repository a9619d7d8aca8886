"""What a LiteRT file says of itself."""

from typing import Any, Final

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from bench.records.record import Export

CODES: Final[dict[int, str]] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}  # the generated enumeration is a class of integers


def describe(model: bytes) -> Export:
    """Return what a LiteRT file says of itself: its operators, and the program that wrote it.

    Raises:
        ValueError: these are not the bytes of a LiteRT file.
    """
    if model[4:8] != b"TFL3":
        raise ValueError("these are not the bytes of a LiteRT file")
    read = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    operators = [_name(read.operatorCodes[node.opcodeIndex]) for node in read.subgraphs[0].operators]
    return Export(
        format="litert",
        operators=tuple(operators),
        producer=(read.description or b"").decode().rstrip("."),
        versions=(f"tensorflow=={tf.__version__}", f"schema=={read.version}"),
    )


def _name(code: Any) -> str:
    number = max(code.builtinCode, code.deprecatedBuiltinCode)  # one field is an older form of the other
    return CODES.get(number, f"operator {number}")
