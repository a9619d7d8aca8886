"""What a campaign found: a table, and a line for each fault that was not stood."""

import platform
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.environments.checkout import commit
from tests.faults.outcome import CLASSES, Outcome

HEAD = ("what is planted", "planted", *CLASSES, "not possible here")


def rows(outcomes: Sequence[Outcome], sentences: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return a row for each kind, and one for all."""
    named = [(kind, sentence, [each for each in outcomes if each.kind == kind]) for kind, sentence in sentences.items()]
    found = [(f"{kind}: {sentence}", *_counts(of)) for kind, sentence, of in named if of]
    return [*found, ("all", *_counts(outcomes))]


def _counts(outcomes: Sequence[Outcome]) -> list[str]:
    skipped = sum(bool(outcome.skipped) for outcome in outcomes)
    wrong = [sum(any(each.of == name for each in outcome.wrong) for outcome in outcomes) for name in CLASSES]
    return [f"{count:,}".replace(",", " ") for count in (len(outcomes) - skipped, *wrong, skipped)]


def text(outcomes: Sequence[Outcome], sentences: Mapping[str, str]) -> str:
    """Return the table for a terminal."""
    table = [HEAD, *rows(outcomes, sentences)]
    widths = [max(len(row[at]) for row in table) for at in range(len(HEAD))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, len(HEAD)))]).rstrip()
        for row in table
    )


def markdown(outcomes: Sequence[Outcome], sentences: Mapping[str, str], *, seed: int, seconds: float) -> str:
    """Return what goes into docs/faults.md: a sentence with date, host and commit, and the table."""
    head, dirty = commit()
    lines = [
        f"`make faults` on {time.strftime('%Y-%m-%d', time.gmtime())}, seed {seed}, at commit"
        f" {head[:10] or 'unknown'}{' with changes' if dirty else ''}, took {seconds / 60:.0f} minutes on {_host()}:",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|---|{'---:|' * (len(HEAD) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows(outcomes, sentences)),
    ]
    return "\n".join(lines)


def _host() -> str:
    import os

    from bench.turns.environment import cpu_model

    return f"{os.cpu_count()} processors ({cpu_model()}), {platform.system()}, Python {platform.python_version()}"


def found(outcomes: Sequence[Outcome], most: int = 5) -> str:
    """Return what was wrong, each thing once, with the first faults that show it."""
    by_thing: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for each in outcome.wrong:
            by_thing[f"{each.of}: {_general(each.what)}"].append(outcome)
    lines = []
    for thing, shown in sorted(by_thing.items(), key=lambda item: -len(item[1])):
        names = list(dict.fromkeys(outcome.name for outcome in shown))
        more = f" and {len(names) - most} more" if len(names) > most else ""
        lines += [f"{thing}", f"    {', '.join(names[:most])}{more}; the first: {shown[0].planted[:300]}"]
    return "\n".join(lines)


def _general(what: str) -> str:
    """Return the same text for the same thing: without the command before a place in the code, and without numbers."""
    what = re.sub(r"[^\s']*/(?:room|mutant|typed|campaign)-\w+", "…", what)
    what = re.sub(r"^.*?: (?=(?:harness|bench)/\S+:\d+ )", "", what)
    place, separator, rest = what.partition(" ")
    return f"{place}{separator}{re.sub(r'0x[0-9a-f]+|[0-9]+', 'N', rest)}"
