"""What the doctor says of the processors: a quota, and the threads of one core."""

from typing import Any

import pytest

from tests.harness.doctor.test_checks import check, found


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"quota": 0.6}, "warn", "2, of which a quota gives 0.6"),
        ({"quota": 2.0, "cores": 2}, "ok", "2"),
        ({"quota": None, "cores": 0}, "ok", "2"),
        ({"cores": 1}, "warn", "2 threads of one core"),
    ],
)
def test_a_quota_smaller_than_the_processors_and_a_single_core_are_warnings(
    changes: dict[str, Any], status: str, text: str
) -> None:
    line = check("processors", found(**changes))
    assert (line.status, line.found) == (status, text)
    assert bool(line.remedy) == (status == "warn")
