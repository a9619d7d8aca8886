"""Logical lines are statements of the syntax tree, counted by hand in these small programs."""

import ast

import pytest

from bench import lines
from bench.catalogue import catalogue

PROGRAMS = {
    "nothing": ("", 0),
    "a comment": ("# only a comment\n\n", 0),
    "a statement": ("x = 1  # with a comment\n", 1),
    "semicolons": ("x = 1; y = 2; z = x + y\n", 3),
    "a call over several lines": ("print(\n    1,\n    2,\n)\n", 1),
    "a continued line": ("x = 1 + \\\n    2\n", 1),
    "a module's docstring": ('"""What it does."""\nx = 1\n', 1),
    "a function with a docstring": ('def f(x):\n    """Double."""\n    return 2 * x\n', 2),
    "a bare string later": ('x = 1\n"not read by anyone"\n', 1),
    "other bare expressions": ("1\nx\nf()\n", 3),
    "an assigned string": ('text = """one\ntwo"""\n', 1),
    "a decorator": ("@jit\ndef f(x):\n    return x\n", 2),
    "a class": ("@frozen\nclass A:\n    x: int\n    y: int = 2\n", 3),
    "a loop": ("for i in range(3):\n    x = i\n    y = x\n", 3),
    "a loop on one line": ("for i in range(3): print(i)\n", 2),
    "a loop with else": ("while x:\n    break\nelse:\n    pass\n", 3),
    "if, elif, else": ("if a:\n    x = 1\nelif b:\n    x = 2\nelse:\n    x = 3\n", 5),
    "try": ("try:\n    x = 1\nexcept OSError:\n    x = 2\nelse:\n    x = 3\nfinally:\n    x = 4\n", 5),
    "with": ("with a() as x, b() as y:\n    x(y)\n", 2),
    "match": ("match x:\n    case 1:\n        y = 1\n    case _:\n        pass\n", 3),
    "imports": ("import a, b\nfrom c import (\n    d,\n    e,\n)\n", 2),
    "a lambda and a comprehension": ("f = lambda x: x\ny = [f(x) for x in z if x]\n", 2),
    "nested functions": ("def f():\n    def g():\n        return 1\n    return g\n", 4),
}


@pytest.mark.parametrize(("source", "count"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_counts_statements(source: str, count: int) -> None:
    assert lines.logical_lines(source) == count


@pytest.mark.parametrize("source", [source for source, _ in PROGRAMS.values()], ids=PROGRAMS.keys())
def test_layout_does_not_count(source: str) -> None:
    assert lines.logical_lines(ast.unparse(ast.parse(source))) == lines.logical_lines(source)


def test_refuses_what_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        lines.logical_lines("for in")


def test_counts_the_hello_worlds_of_the_catalogue() -> None:
    offers = [offer for offer in catalogue().frameworks if offer.hello]

    assert {offer.name: lines.count(offer.name) for offer in offers} == {
        offer.name: offer.hello_lines for offer in offers
    }
    assert lines.count("keras_tensorflow") == 7
    assert lines.count("torch") == 15
