"""`loop.json` in a folder: read, missing, damaged."""

import dataclasses
import json
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store import loops
from tests.harness.report.looked import looked

WHOLE = {**dataclasses.asdict(looked()), "told": {"torch_eager": {"time": [1, 2, 3]}}}


def test_what_was_written_is_read_without_its_rounds(tmp_path: Path) -> None:
    (tmp_path / loops.FILE).write_text(json.dumps(WHOLE), encoding="utf-8")
    assert loops.read(tmp_path) == looked()


def test_a_folder_may_have_none(tmp_path: Path) -> None:
    assert loops.read(tmp_path) is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{", "is damaged: not JSON: "),
        ("[]", "is damaged: "),
        (json.dumps({**WHOLE, "cpu": 3}), "is damaged: cpu: expected str, got int"),
        (json.dumps({**WHOLE, "speed": 3}), "is damaged: speed is not a field of this schema"),
        (json.dumps({**WHOLE, "rows": [{**WHOLE["rows"][0], "every_ns": float("inf")}]}), "every_ns is not a finite"),
    ],
    ids=["no JSON", "a list", "another type", "unknown", "infinite"],
)
def test_a_damaged_one_is_named_with_the_remedy(source: str, said: str, tmp_path: Path) -> None:
    (tmp_path / loops.FILE).write_text(source, encoding="utf-8")
    with pytest.raises(StoreError) as error:
        loops.read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / loops.FILE} ")
    assert said in str(error.value)
    assert str(error.value).endswith(f"loop --output {tmp_path}")
