"""The workflows of docs/ are those that the pages show, name actions by full versions, and run commands that exist."""

import re
from pathlib import Path

import pytest

from harness.environments.checkout import ROOT

FOLDER = ROOT / "docs" / "workflows"
SHOWN_IN = {"pages.yml": "publishing.md", "step-times.yml": "ci.md", "lock-bump.yml": "ci.md"}
VERSION = re.compile(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+")


def test_each_workflow_is_shown() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SHOWN_IN)


@pytest.mark.parametrize("name", sorted(SHOWN_IN))
class TestAWorkflow:
    def text(self, name: str) -> str:
        return (FOLDER / name).read_text(encoding="utf-8")

    def test_is_the_one_on_its_page(self, name: str) -> None:
        page = (Path(ROOT) / "docs" / SHOWN_IN[name]).read_text(encoding="utf-8")
        assert f"```yaml\n{self.text(name)}```\n" in page

    def test_names_each_action_by_a_full_version(self, name: str) -> None:
        actions = re.findall(r"uses: (\S+)", self.text(name))
        assert actions
        assert [action for action in actions if not VERSION.fullmatch(action)] == []

    def test_has_no_secret_no_other_host_and_no_more_rights_than_it_says(self, name: str) -> None:
        text = self.text(name)
        assert "secrets" not in text
        assert "://" not in text
        assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE)
