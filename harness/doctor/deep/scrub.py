"""Takes out of a text what says whose it is: home folders, names of users and hosts, secrets, ids of GPUs."""

import os
import pwd
import re
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from bench.frameworks import FRAMEWORKS
from harness.environments import checkout

SHORTEST: Final = 3  # characters of a name that is looked for: shorter ones are parts of other words
SECRET: Final = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE|COOKIE", re.IGNORECASE)
COMMON: Final = {  # names of users and hosts that name nobody, and words of the data itself
    "root", "nobody", "samestep", "user", "localhost", "runner", "ubuntu", "debian", "linux", "python", "cuda", "cpu",
    "gpu", "nvidia", "docker", "venv", "workers", "here", *FRAMEWORKS,
}  # fmt: skip
PATTERNS: Final = (
    (re.compile(r"/(home|Users)/[^/\s'\":,;)\]]+"), r"/\1/USER"),
    (re.compile(r"(?<=://)[^/\s@]+@"), ""),  # name and password in an address
    (re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), r"\1-UUID"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "ADDRESS"),
)


class Scrubber:
    """Replaces what identifies this host and its owner."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Replace each of `words`, the longest first, by what stands for it."""
        self._words = dict(sorted(words.items(), key=lambda word: -len(word[0])))

    @classmethod
    def of_this_host(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return one that knows this host's folders and names, and the values of variables that look like secrets."""
        words = {value: "SECRET" for name, value in environ.items() if SECRET.search(name) and len(value) >= SHORTEST}
        words |= dict.fromkeys(_names(environ), "NAME")
        words |= {str(folder): f"${name}" for name, folder in _folders(environ).items() if len(folder.parts) > 1}
        return cls(words)

    def text(self, text: str) -> str:
        """Return a text without them."""
        for word, instead in self._words.items():
            if word in text:
                text = _whole(word).sub(instead, text)
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        return text

    def data(self, data: Any) -> Any:
        """Return data as JSON has it, with every text in it scrubbed, names of fields left as they are."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {name: self.data(value) for name, value in data.items()}
        return [self.data(value) for value in data] if isinstance(data, Sequence) else data


def _whole(word: str) -> re.Pattern[str]:
    """Return what finds a name, a secret or a folder where it is no part of a longer one.

    A folder may follow a letter, as in "-I/srv/me/include"; one like /tmp may not: it is a part of /var/tmp.
    """
    before = "" if word.count("/") > 1 else r"(?<!\w)"
    return re.compile(rf"{before}{re.escape(word)}(?!\w)")


def _folders(environ: Mapping[str, str]) -> Mapping[str, Path]:
    """Return the folders of this host by what stands for them."""
    found = {"CHECKOUT": checkout.ROOT, "TMPDIR": Path(tempfile.gettempdir()), "WORKING_FOLDER": Path.cwd()}
    home = environ.get("HOME") or _entry().pw_dir
    return {**found, "HOME": Path(home)}


def _names(environ: Mapping[str, str]) -> list[str]:
    host = socket.gethostname()
    names = [environ.get("USER", ""), environ.get("LOGNAME", ""), environ.get("SUDO_USER", ""), _entry().pw_name]
    names += [_entry().pw_gecos.partition(",")[0], host, host.partition(".")[0]]
    return [name for name in names if len(name) >= SHORTEST and name.lower() not in COMMON]


def _entry() -> pwd.struct_passwd:
    """Return what the system knows of this user; a container's may be in no list."""
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return pwd.struct_passwd(("", "", os.getuid(), os.getgid(), "", "/", ""))
