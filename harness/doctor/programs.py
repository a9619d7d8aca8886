"""The doctor's check of the programs that frameworks run beside Python: compilers, assemblers."""

import shutil
from collections.abc import Callable, Sequence

from bench.catalogue import FrameworkOffer, programs_missing
from harness.doctor.checks import Check


def checks(offers: Sequence[FrameworkOffer], which: Callable[[str], str | None] = shutil.which) -> tuple[Check, ...]:
    """Return a check for each framework that lacks a program here, or one that says that none does."""
    lacking = {offer: sentence for offer in offers if (sentence := programs_missing(offer, which))}
    if not lacking:
        names = sorted({program for offer in offers for program, _ in offer.programs})
        return (Check(name="programs", status="ok", found=", ".join(names) or "none needed"),)
    found = []
    for sentence in lacking.values():
        needs, _, remedy = sentence.rpartition(": ")
        found.append(Check(name="programs", status="warn", found=needs, remedy=f"{remedy}; its image has it"))
    return tuple(found)
