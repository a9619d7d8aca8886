"""The CPU quota of control groups, all levels up, in both versions."""

from pathlib import Path

import pytest

from harness.host import quota


def tree(tmp_path: Path, membership: str, files: dict[str, str]) -> float | None:
    (tmp_path / "self").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return quota.processors(tmp_path / "self", tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "60000 100000\n", "a/cpu.max": "150000 100000\n"}, 0.6),
        ("0::/a\n", {"a/cpu.max": "max 100000\n"}, None),
        ("0::/docker/123\n", {"cpu.max": "200000 100000\n"}, 2.0),  # a container sees its own group at the top
        (
            "3:cpuset:/\n1:cpu,cpuacct:/a\n0::/\n",
            {"cpu/a/cpu.cfs_quota_us": "60000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            0.6,
        ),
        (
            "1:cpu:/a/b\n",
            {
                "cpu/a/b/cpu.cfs_quota_us": "-1\n",
                "cpu/a/b/cpu.cfs_period_us": "100000\n",
                "cpu/a/cpu.cfs_quota_us": "25000\n",
                "cpu/a/cpu.cfs_period_us": "50000\n",
            },
            0.5,
        ),
        ("2:cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "60000\n"}, None),
        ("0::/\n", {"cpu.max": "damaged\n"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_quota_of_all_levels_counts(
    tmp_path: Path, membership: str, files: dict[str, str], limit: float | None
) -> None:
    assert tree(tmp_path, membership, files) == limit


def test_a_host_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert quota.processors(tmp_path / "nothing", tmp_path) is None


def test_only_a_quota_smaller_than_the_cpu_set_is_said() -> None:
    assert "gives this process 0.6 of the one processor" in quota.sentence((1,), 0.6)
    assert "gives this process 1.5 of the 2 processors" in quota.sentence((1, 2), 1.5)
    assert quota.sentence((1, 2), 2.0) == quota.sentence((1, 2), None) == ""
