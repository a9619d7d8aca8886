"""Cold, warm or none: told by counters and new files, whatever lay in the folder before."""

from pathlib import Path

import pytest

from bench.protocol.caches import cache_use
from bench.records.record import ModeProof
from bench.turns.prepare import entries


def proof(hits: int | None, misses: int | None) -> ModeProof:
    return ModeProof(
        mode="jit",
        device="cpu",
        threads=1,
        precision="float32",
        compilations=1,
        cache_hits=hits,
        cache_misses=misses,
    )


@pytest.mark.parametrize(
    ("hits", "misses", "before", "after", "found"),
    [
        (0, 3, 0, 4, "cold"),
        (0, 3, 9, 13, "cold"),  # a folder that is not empty makes nothing warm
        (3, 0, 9, 9, "warm"),
        (2, 1, 9, 10, "partly warm"),
        (0, 0, 0, 0, "none"),
        (None, None, 0, 0, "none"),
        (None, None, 0, 2, "none"),
        (None, None, 2, 2, "none"),
    ],
)
def test_the_class_follows_from_what_happened(
    hits: int | None, misses: int | None, before: int, after: int, found: str
) -> None:
    assert cache_use(proof(hits, misses), before=before, after=after).compile_cache == found


def test_entries_are_files_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "inductor" / "ab").mkdir(parents=True)
    assert entries(tmp_path) == 0
    (tmp_path / "inductor" / "ab" / "code.py").touch()
    (tmp_path / "top").touch()
    assert entries(tmp_path) == 2
    assert entries(tmp_path / "absent") == 0
