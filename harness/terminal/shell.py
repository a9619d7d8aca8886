"""The commands that samestep prints, so that they work when they are pasted into a shell, from any folder.

Where `docker compose up` runs the harness, they are commands for the host: it cannot see the container's paths.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

NAME: Final = "samestep"
ENV_FILE: Final = "images/cpu.env"  # of compose.yaml, on the processor
HOST_RESULTS: Final = "SAMESTEP_HOST_RESULTS"  # set by compose.yaml: the folder of the runs, as the host calls it
RESULTS: Final = Path("/samestep/results")  # where that folder is in the container
# Variables of compose.yaml that a further command of the run needs again: what the harness knows them by, the default
# with a GPU, and on the processor.
AGAIN: Final[Mapping[str, tuple[str, str, str]]] = {
    "SAMESTEP_CPUS": ("SAMESTEP_CPUS", "1-3", "1"),
    "SAMESTEP_GPU": ("SAMESTEP_HOST_GPU", "0", "0"),
    "SAMESTEP_MEMORY": ("SAMESTEP_MEMORY", "16g", "16g"),
    "SAMESTEP_RESULTS": (HOST_RESULTS, "./results", "./results"),
    "SAMESTEP_TMP": ("SAMESTEP_HOST_TMP", "4g", "4g"),
}


def quoted(word: str | Path) -> str:
    r"""Return `word` as a shell reads it back, on one line.

    Control characters and bytes that are no UTF-8 are written as bash and zsh escape them: $'a\nb'.
    """
    text = str(word)
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(_escaped(character) for character in text)
    return f"$'{escaped}'"


def command(*words: str | Path, variables: Mapping[str, str] | None = None) -> str:
    """Return the words as one line for a shell, after the `variables` that are set for it alone."""
    given = [f"{name}={quoted(value)}" for name, value in (variables or {}).items()]
    return " ".join([*given, *map(quoted, words)])


def samestep(*words: str | Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return a command line of samestep itself."""
    return command(*program(environ), *words)


def program(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return how this samestep is called: by its name where PATH has it, else by its path."""
    if HOST_RESULTS in environ:
        return ("docker", "compose", *_env_file(environ.get("SAMESTEP_DEVICE", "")), "run", "--rm", "harness")
    own = Path(sys.executable).with_name(NAME)  # not resolved: the python of an environment is a link out of it
    if not own.is_file():
        return (sys.executable, "-m", "harness")
    on_path = shutil.which(NAME, path=environ.get("PATH"))
    return (NAME,) if on_path and own.samefile(on_path) else (str(own),)


def compose(
    *words: str, device: str, variables: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Return a command line of Docker Compose for the host, to be typed in the checkout.

    Args:
        words: the command with its options, such as "up".
        device: "cpu" or "cuda".
        variables: of compose.yaml, to be set.
        environ: of the harness's container; what was set there for this run is set again. None: nothing is.
    """
    again = {}
    for name, (known_as, gpu, cpu) in AGAIN.items() if environ else ():
        value = (environ or {}).get(known_as, "")
        if value and value != (cpu if device == "cpu" else gpu):
            again[name] = value
    return command("docker", "compose", *_env_file(device), *words, variables={**(variables or {}), **again})


def only(frameworks: Iterable[str]) -> dict[str, str]:
    """Return the variable of compose.yaml that has the workers of these frameworks started, and no others."""
    names = ",".join(sorted(frameworks))
    return {"SAMESTEP_FRAMEWORK": names} if names else {}


def path(of: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the absolute path of a file; of one among the runs of `docker compose up`, its path on the host."""
    absolute = of.absolute()
    if HOST_RESULTS in environ and absolute.is_relative_to(RESULTS):
        return Path(environ[HOST_RESULTS]) / absolute.relative_to(RESULTS)
    return absolute


def _env_file(device: str) -> tuple[str, ...]:
    return ("--env-file", ENV_FILE) if device == "cpu" else ()


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
