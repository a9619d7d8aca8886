"""The variants of a request: the specs that were typed become names that a record can have, and locks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.catalogue import FrameworkOffer
from harness.environments import guests, locks, npm, variants
from harness.environments.variants import Resolved, Variant
from harness.errors import SelectionError
from harness.format import shortened_name
from harness.plan import selection, specs
from harness.plan.request import Request


def named(
    requested: Request, frameworks: Sequence[FrameworkOffer], device: str, root: Path = locks.ROOT
) -> tuple[Request, tuple[Variant, ...]]:
    """Return the request with each variant as records call it, and the variants as they were typed.

    No path is in such a name: of a wheel it has version and digest.

    Raises:
        SelectionError: an unknown framework, one that has no variants, or a spec that cannot be one.
    """
    valid = {offer.name: offer for offer in frameworks}
    found: dict[str, Variant] = {}
    names = []
    for spec in requested.selection.framework:
        if not specs.is_variant(spec):
            names.append(spec)
            continue
        if spec in requested.kept:
            names.append(spec)
            found[spec] = Variant(framework=specs.framework(spec), name=spec.partition(specs.AT)[2])
            continue
        offer = selection.known("framework", specs.framework(spec), valid)
        _require_own_packages(spec, offer, root)
        variant = variants.parsed(specs.with_underscores(spec), root, device)
        names.append(variant.framework_id)
        found.setdefault(names[-1], variant)
    if not found:
        return requested, ()
    chosen = replace(requested.selection, framework=tuple(dict.fromkeys(names)))
    return replace(requested, selection=chosen), tuple(found.values())


def resolved(
    wanted: Sequence[Variant], device: str, folder: Path, say: Callable[[str], None], root: Path = locks.ROOT
) -> tuple[Resolved, ...]:
    """Write the lock of each variant into `folder`, and say what differs from the lock of its framework.

    Raises:
        SetupError: a lock cannot be made, for example without a network.
        SelectionError: no set of packages has these versions.
    """
    found = []
    for variant in wanted:
        one = variants.resolve(variant, root, device, folder)
        say(f"{one.framework_id}: {differences(one)}")
        found.append(one)
    return tuple(found)


def differences(variant: Resolved) -> str:
    """Return what differs in a variant from the lock of its framework, in words."""
    if not variant.changed:
        return "nothing differs from the lock"
    return f"{', '.join(variant.changed)}; the rest as locked"


def _require_own_packages(spec: str, offer: FrameworkOffer, root: Path) -> None:
    """Raise SelectionError for a variant of what computes with the packages of another, or with a guest's."""
    as_locked = f"It runs as locked: name {offer.name} without {specs.AT}."
    if offer.packages:
        raise SelectionError(
            f"{shortened_name(spec)}: {offer.name} runs in the environment of {offer.packages} and has no variants of"
            f" its own. {as_locked}"
        )
    if guests.files(root, offer.name) or npm.files(root, offer.name):
        raise SelectionError(
            f"{shortened_name(spec)}: {offer.name} computes in a guest, whose packages for node or an older Python a"
            f" variant does not change. {as_locked}"
        )
