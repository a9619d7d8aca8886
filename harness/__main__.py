"""`python -m harness`: the command line where it is mounted, not installed: the harness container of compose.yaml.

There, without words of its own, it is the run that compose.yaml's variables describe: SAMESTEP_MODE is --mode.
"""

import contextlib
import inspect
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn, get_args

from harness import cli
from harness.errors import INTERRUPTED, OK, SOME_FAILED, USAGE, SelectionError, SetupError
from harness.format import shortened_name
from harness.launchers import workers
from harness.terminal import shell

RAN: Final = (OK, SOME_FAILED, INTERRUPTED)
HERE: Final = ("results", "launcher", "python", "data")  # options that this container has settled
OF_A_RESUMED_RUN: Final = ("blocks", "allow_shared_gpu")  # all else was chosen when it began
SWITCH: Final[Mapping[str, str]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), ""),
    **dict.fromkeys(("0", "false", "no", "off"), "no-"),
}


def start() -> NoReturn:
    """Run the command line; let idle workers exit after whatever did not run."""
    try:
        if len(sys.argv) == 1 and shell.HOST_RESULTS in os.environ:
            sys.argv += words(os.environ)
        cli.main()
    except SelectionError as error:
        print(f"samestep: {error}", file=sys.stderr)
        code: int | str | None = USAGE
    except SystemExit as end:
        code = end.code
    # A run ends the workers itself. After any other command they are idle: compose has started them with this harness.
    if sys.argv[1:2] != ["run"] or code not in RAN:
        with contextlib.suppress(SetupError):
            workers.dismiss()
    sys.exit(code)


def variables() -> dict[str, inspect.Parameter]:
    """Return, by variable of compose.yaml, the option of `samestep run` that it stands for."""
    options = inspect.signature(cli.run).parameters
    return {f"SAMESTEP_{name.upper()}": option for name, option in options.items() if name not in HERE}


def words(environ: Mapping[str, str]) -> list[str]:
    """Return the command line that the variables describe; one that is empty counts as not set.

    Raises:
        SelectionError: a value cannot be read.
    """
    given = {name: (option, environ[name]) for name, option in variables().items() if environ.get(name)}
    is_resumed = "SAMESTEP_RESUME" in given
    command = ["run"] if is_resumed else ["run", "--launcher=workers"]
    for name, (option, value) in given.items():
        if not is_resumed or option.name in ("resume", *OF_A_RESUMED_RUN):
            command += _typed(name, option, value)
    return command


def _typed(variable: str, option: inspect.Parameter, value: str) -> Iterator[str]:
    """Yield an option as it is typed: a switch, one that is repeated, or one with a value."""
    name = option.name.replace("_", "-")
    kinds = {kind for alternative in get_args(option.annotation)[:1] for kind in (alternative, *get_args(alternative))}
    if bool in kinds:
        if value.lower() not in SWITCH:
            raise SelectionError(f"{variable} is {shortened_name(value)!r}: write 1 or 0.")
        yield f"--{SWITCH[value.lower()]}{name}"
    elif list[str] in kinds:
        try:
            yield from (f"--{name}={word}" for word in shlex.split(value))
        except ValueError as error:
            raise SelectionError(
                f"{variable} is {shortened_name(value)!r}: write NAME=VALUE, several with blanks between, and quotation"
                " marks in pairs round what has blanks in it."
            ) from error
    else:
        yield f"--{name}={value}"


if __name__ == "__main__":
    start()
