"""What the tests of a site share: reports and histories without drawings, which take a second, and the command."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.publish import command, pages
from harness.publish.add import Allowed
from harness.publish.command import Asked

Publish = Callable[..., int]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("harness.report.plots.all", "harness.report.charts.all"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(pages, "draw", lambda spec, name, label: "<svg></svg>")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def publish(undrawn: None, site: Path, tmp_path: Path) -> Publish:
    """Publishes into `site`; gives the exit code."""

    def call(*runs: str | Path, first_look: bool = False, invalid: bool = False, **changes: object) -> int:
        asked = Asked(
            runs=tuple(map(str, runs)),
            site=site,
            results=tmp_path / "results",
            allowed=Allowed(first_look=first_look, invalid=invalid),
            **changes,  # type: ignore[arg-type]
        )
        return command.publish(asked)

    return call
