"""Whether two runs had the same packages installed: by the hashes of what was in each framework's environment."""

from collections.abc import Iterable

from harness.format import listed
from harness.store.facts import RunFacts


def sentence(a: RunFacts, b: RunFacts) -> str:
    """Return which environments of two runs are identical, and which are not; empty: of one run, or not known of two.

    Only environments that both have are compared. An older samestep, and a launcher of containers, noted none.
    """
    ours, theirs = _by_framework(a.environments), _by_framework(b.environments)
    both = sorted(ours.keys() & theirs.keys())
    if a.id == b.id or not both:
        return ""
    same = [name for name in both if ours[name] == theirs[name]]
    others = [name for name in both if name not in same]
    parts = [
        *([f"Identical in both runs, file by file, is what is installed for {listed(same)}."] if same else []),
        *([f"What is installed for {listed(others)} is not the same."] if others else []),
    ]
    return " ".join(parts)


def _by_framework(environments: Iterable[str]) -> dict[str, str]:
    return {name: digest for name, _, digest in (text.rpartition(": ") for text in environments)}
