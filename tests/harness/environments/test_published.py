"""Which versions are published: asked of pip, for one Python and platform, at the place where uv looks."""

import itertools
import json
from collections.abc import Mapping, Sequence

import pytest

from harness.environments import published
from harness.errors import SetupError


class Pip:
    """A pip that answers with what it is told."""

    def __init__(self, stdout: str = "", stderr: str = "", code: int = 0) -> None:
        self.answer = (code, stdout, stderr)
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        self.asked = list(arguments)
        return self.answer

    def values(self, option: str) -> list[str]:
        return [value for name, value in itertools.pairwise(self.asked) if name == option]


def versions(pip: Pip, environ: Mapping[str, str] | None = None, python: str = "3.12") -> tuple[str, ...]:
    return published.versions("jax", python, run=pip, environ=environ or {})


def test_versions_come_oldest_first() -> None:
    pip = Pip(json.dumps({"name": "jax", "versions": ["0.10.2", "0.9.2", "0.10.0"], "latest": "0.10.2"}))
    assert versions(pip) == ("0.9.2", "0.10.0", "0.10.2")


def test_only_wheels_that_the_environment_takes_are_asked_for() -> None:
    pip = Pip('{"versions": []}')
    versions(pip)
    assert pip.asked[:4] == ["index", "versions", "jax", "--json"]
    assert pip.values("--only-binary") == [":all:"]
    assert pip.values("--python-version") == ["3.12"]
    assert pip.values("--abi") == ["cp312", "abi3", "none"]
    assert {"manylinux_2_28_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= {*pip.values("--platform")}
    assert "manylinux_2_29_x86_64" not in pip.values("--platform")


def test_what_uv_is_told_of_the_index_pip_is_told_too() -> None:
    pip = Pip('{"versions": []}')
    versions(
        pip,
        {
            "UV_INDEX_URL": "https://mirror/simple",
            "UV_INDEX": "own=https://own/simple https://second/simple?a=b",
            "UV_FIND_LINKS": "/wheels,/more",
        },
    )
    assert pip.values("--index-url") == ["https://mirror/simple"]
    assert pip.values("--extra-index-url") == ["https://own/simple", "https://second/simple?a=b"]
    assert pip.values("--find-links") == ["/wheels", "/more"]
    versions(pip)
    assert not pip.values("--index-url")


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("WARNING: Retrying (…) after connection broken by 'NewConnectionError'", "check the network"),
        ("ERROR: No matching distribution found for jax", "No wheel of jax is published for Python 3.12"),
    ],
    ids=["no network", "no wheel"],
)
def test_what_cannot_be_found_is_one_sentence(stderr: str, expected: str) -> None:
    with pytest.raises(SetupError, match=expected):
        versions(Pip(stderr=stderr, code=1))


def test_an_answer_that_is_no_list_of_versions_is_one_sentence() -> None:
    with pytest.raises(SetupError, match="pip says nothing readable of the versions of jax: surprise"):
        versions(Pip("surprise\n"))


def test_requires_python_is_read_from_the_report_of_a_dry_run() -> None:
    report = {"install": [{"metadata": {"name": "jax", "requires_python": ">=3.12"}}]}
    pip = Pip(json.dumps(report))
    assert published.requires_python("jax", "0.12.0", "3.12", run=pip) == ">=3.12"
    assert "--dry-run" in pip.asked
    assert "--no-deps" in pip.asked
    assert pip.asked[-1] == "jax==0.12.0"
    assert published.requires_python("jax", "0.12.0", "3.12", run=Pip(code=1)) == ""
    assert published.requires_python("jax", "0.12.0", "3.12", run=Pip('{"install": []}')) == ""
