"""The environments of a bisection: which versions are published, which can be resolved, and what each one has."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.bisect.candidates import of_build
from harness.environments import locks as resolving
from harness.environments import pins, published, variants
from harness.environments.checkout import ROOT
from harness.errors import SelectionError, StoreError
from harness.store import locks
from harness.store.folder import RunFolder


@dataclass(slots=True)
class Resolvable:
    """The versions of a framework's own distribution: which are published, and which fit; each is tried once."""

    framework: str
    device: str
    root: Path = ROOT
    _reasons: dict[str, str] = field(default_factory=dict)

    def distribution(self) -> str:
        """Return whose versions they are, such as "keras" of keras_jax; raises SelectionError."""
        return variants.distribution(self.root, self.framework, self.device)

    def published(self) -> tuple[str, ...]:
        """Return the releases that have a wheel for the framework's environment; raises SetupError."""
        platform = resolving.wheels_for(self.root, self.framework, self.device)
        return published.versions(self.distribution(), resolving.PYTHONS[self.device], platform)

    def why_not(self, version: str) -> str:
        """Return why an environment with this version cannot be resolved; empty: it can.

        Raises:
            SetupError: the network is at fault, or this host.
        """
        if version not in self._reasons:
            self._reasons[version] = self._tried(version)
        return self._reasons[version]

    def _tried(self, version: str) -> str:
        with tempfile.TemporaryDirectory(prefix="samestep-bisect-") as folder:
            try:
                variant = variants.parsed(f"{self.framework}@{version}", self.root, self.device)
                variants.resolve(variant, self.root, self.device, Path(folder))
            except SelectionError as error:
                return str(error).rstrip(".")
        return ""


def locked_packages(run: RunFolder, version: str) -> Mapping[str, str]:
    """Return by distribution the version that the lock of a variant in a run's folder has; raises StoreError."""
    of_variants = run.facts().variants
    kept = locks.kept(of_variants, run.path)
    found = next((kept[each.framework_id] for each in of_variants if of_build(each.name) == of_build(version)), None)
    if found is None:
        raise StoreError(f"{run.path} has no lock of {version}: its run.json names none.")
    return pins.of(found.read_text(encoding="utf-8"))
