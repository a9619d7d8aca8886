"""The commands with which somebody who has read a report goes on: the next profile, or the rest of the run."""

import re
from collections.abc import Mapping
from typing import Final

from harness.environments.variants import Resolved
from harness.plan import selection
from harness.plan.profiles import PROFILES
from harness.store.facts import RunFacts
from harness.terminal import shell

NEXT: Final[Mapping[str, str]] = {"look": "quick"}  # by profile
WHEEL: Final = re.compile(r"\.[0-9a-f]{8}$")  # the end of a wheel in the name of a variant
OTHERS: Final = "default"  # the smallest profile with verdicts; that of a fleet's run, too


def next_command(facts: RunFacts, program: str = shell.NAME) -> str:
    """Return the command that measures the same selection in the next profile.

    Args:
        facts: of the run.
        program: how samestep is called, as a shell reads it: by its name on a page, which may be read elsewhere.
    """
    return command(facts, _next(facts), program)


def command(facts: RunFacts, profile: str, program: str = shell.NAME) -> str:
    """Return the command that measures the selection of the run in `profile`; the arguments are as above."""
    if facts.hosts:  # the rest is in its file
        blocks = str(PROFILES[profile].blocks)
        return f"{program} fleet submit RUN.toml --profile {profile} --blocks {blocks}"
    options = {"profile": profile, **dict(option.split("=", 1) for option in facts.selection)}
    if "framework" in options:
        options["framework"] = _typed(options["framework"], facts)
    if facts.launcher == "workers":
        variables = {f"SAMESTEP_{name.upper()}": value for name, value in options.items()}
        return shell.compose("up", device=facts.device, variables=variables)
    options |= {"device": facts.device} if facts.device != "cpu" else {}
    options |= {"launcher": facts.launcher, "python": facts.interpreter} if facts.interpreter else {}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return f"{program} {shell.command('run', *words)}"


def _typed(frameworks: str, facts: RunFacts) -> str:
    """Return the frameworks of a selection as they can be typed: wheels by their files in the run's folder."""
    known = {variant.framework_id: variant for variant in facts.variants if variant.wheels}
    return ",".join(
        _with_files(known[name], facts.id) if name in known else name for name in selection.names(frameworks)
    )


def _with_files(variant: Resolved, run_id: str) -> str:
    items = [item for item in variant.name.split(",") if not WHEEL.search(item)]
    files = [f"results/{run_id}/locks/wheels/{wheel}" for wheel in variant.wheels]
    return f"{variant.framework}@{','.join([*items, *files])}"


def resume_command(facts: RunFacts) -> str:
    """Return the command that finishes the run where its page may be read: by its id."""
    if facts.launcher == "workers":
        variables = {"SAMESTEP_RESUME": facts.id, **shell.only(offer.name for offer in facts.frameworks)}
        return shell.compose("up", device=facts.device, variables=variables)
    if facts.hosts:
        return shell.command(shell.NAME, "fleet", "status", "FOLDER", "--watch")
    return shell.command(shell.NAME, "run", "--resume", facts.id)


def next_sentence(facts: RunFacts, program: str = shell.NAME) -> str:
    """Return what that command adds, as one sentence."""
    profile = PROFILES[_next(facts)]
    has_more_modes = (
        profile.name in NEXT.values()
        and facts.profile in NEXT
        and not any(option.startswith("mode=") for option in facts.selection)
    )
    modes = "every mode in " if has_more_modes else ""
    verdicts = ", with verdicts" if profile.name == OTHERS else ""
    return f"Go on with {modes}{profile.blocks} blocks{verdicts}: {next_command(facts, program)}"


def _next(facts: RunFacts) -> str:
    return OTHERS if facts.hosts else NEXT.get(facts.profile, OTHERS)
