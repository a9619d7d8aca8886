"""Literals read from a file's syntax tree, without importing it. Standard library only."""

import ast
from collections.abc import Sequence
from typing import Any


def read(tree: ast.Module, names: Sequence[str]) -> dict[str, Any]:
    """Return the values of the literals called `names` that a file assigns at its top level.

    Raises:
        ValueError: one of them is no literal.
    """
    literals = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and target.id in names:
            assert node.value is not None
            literals[target.id] = ast.literal_eval(node.value)
    return literals
