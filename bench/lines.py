"""Logical lines of code, counted from the syntax tree: every statement, at any depth, except docstrings."""

import ast
from pathlib import Path


def logical_lines(source: str) -> int:
    """Return the number of statements in `source`: a `def` or `for` counts one, and each statement of its body, too.

    Comments, blank lines, line breaks inside a statement and docstrings (a bare string as a statement) do not count.

    Raises:
        SyntaxError: `source` is not valid Python.
    """
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    return sum(not _is_docstring(node) for node in statements)


def of_file(path: Path) -> int:
    """Return the logical lines of a program in Python, or in JavaScript: there, lines that are code.

    Comments and lines of brackets alone do not count.

    Raises:
        SyntaxError: it is Python, and not valid.
    """
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return logical_lines(source)
    code = (line.strip() for line in source.splitlines())
    return sum(bool(line.strip("(){}[];")) and not line.startswith("//") for line in code)


def count(framework: str) -> int:
    """Return the logical lines of a framework's hello world."""
    return logical_lines((Path(__file__).parent / "hello" / f"{framework}.py").read_text(encoding="utf-8"))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
