"""Cold, warm or none: told by counters and new files, whatever lay in the folder before."""

from pathlib import Path

import pytest

from bench.protocol.caches import COMPILED_BYTES, cache_use, kernel_bytes
from bench.records.record import ModeProof
from bench.turns.prepare import entries
from tests.bench.protocol.test_replicate import fake, run, turn


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


def test_the_drivers_kernels_are_counted_without_their_index(tmp_path: Path) -> None:
    assert kernel_bytes("") == kernel_bytes(str(tmp_path / "absent")) == kernel_bytes(str(tmp_path)) == 0
    (tmp_path / "index").write_bytes(bytes(99))
    (tmp_path / "5" / "a").mkdir(parents=True)
    (tmp_path / "5" / "a" / "0f1e").write_bytes(bytes(7))
    assert kernel_bytes(str(tmp_path)) == 7


@pytest.mark.parametrize(
    ("before", "during", "status"),
    [
        (0, 0, "ok"),
        (0, COMPILED_BYTES - 1, "ok"),  # a library's smallest kernels
        (0, COMPILED_BYTES, "invalid"),
        (5 * COMPILED_BYTES, 0, "ok"),  # compiled in an earlier replicate
    ],
)
def test_a_replicate_that_pays_for_the_installation_is_run_again(
    before: int, during: int, status: str, tmp_path: Path
) -> None:
    """The fake framework loads a module of its library in its first step, and the driver compiles it."""
    folder = tmp_path / "5"
    folder.mkdir()
    (folder / "before").write_bytes(bytes(before))
    framework = fake()
    spend = framework.clock.spend

    def load(ns: int) -> None:
        (folder / "during").write_bytes(bytes(during))
        spend(ns)

    framework.clock.spend = load  # type: ignore[method-assign]
    record = run(framework, turn(kernels=str(tmp_path)))
    assert record.status == status
    if status == "invalid":
        assert record.reason.startswith(
            "the driver compiled 1 MiB of the library's own kernels for this GPU, a cost of"
        )
        assert record.timing is None, "its first step is no step's"
