"""The one command with which somebody who has read a first look goes on."""

import shlex
from collections.abc import Mapping
from typing import Final

from harness.plan.profiles import PROFILES
from harness.store.facts import RunFacts

NEXT: Final[Mapping[str, str]] = {"look": "quick"}  # by profile
OTHERS: Final = "default"  # the smallest profile with verdicts


def next_command(facts: RunFacts) -> str:
    """Return the command that measures the same selection in the next profile."""
    options = {"profile": _next(facts), **dict(option.split("=", 1) for option in facts.selection)}
    if facts.launcher == "workers":
        variables = " ".join(f"SAMESTEP_{name.upper()}={shlex.quote(value)}" for name, value in options.items())
        return f"{variables} docker compose {'--env-file images/cpu.env ' if facts.device == 'cpu' else ''}up"
    options |= {"device": facts.device} if facts.device != "cpu" else {}
    options |= {"launcher": facts.launcher, "python": facts.interpreter} if facts.interpreter else {}
    return " ".join(["samestep run", *(f"--{name} {shlex.quote(value)}" for name, value in options.items())])


def next_sentence(facts: RunFacts) -> str:
    """Return what that command adds, as one sentence."""
    profile = PROFILES[_next(facts)]
    has_more_modes = facts.profile in NEXT and not any(option.startswith("mode=") for option in facts.selection)
    modes = "every mode in " if has_more_modes else ""
    verdicts = ", with verdicts" if profile.name == OTHERS else ""
    return f"Go on with {modes}{profile.blocks} blocks{verdicts}: {next_command(facts)}"


def _next(facts: RunFacts) -> str:
    return NEXT.get(facts.profile, OTHERS)
