"""Vega in a process of its own, which draws one chart after another.

vl-convert holds a whole JavaScript engine. Where that fails, it does not raise: it ends its process. It does so where
the address space is limited (`ulimit -v`, which queues of clusters set), where memory ends, and at texts that it does
not expect; and in a process that was forked from one that drew it waits forever. A report must lose no more than its
pictures by it, so it is kept out of samestep's process. The engine starts with the first chart and ends with samestep.
"""

import atexit
import contextlib
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LIBRARY: Final = "vl_convert"
PROGRAM: Final = Path(__file__).with_name("engine_process.py")
LONGEST_S: Final = 60.0  # for one chart, which takes a tenth of a second, on a machine that does much else


class ChartError(ValueError):
    """A chart cannot be drawn."""


class EngineError(ChartError):
    """No chart can be drawn on this computer."""


def require() -> None:
    """Raise EngineError where the library that draws is not installed."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise EngineError("vl-convert-python is not installed: `make setup` installs it")


def drawn(spec: Mapping[str, Any]) -> str:
    """Return a Vega-Lite specification as Vega's own SVG; raises ChartError."""
    return _ask({"spec": spec})


def javascript() -> str:
    """Return the script with vega, vega-lite and vega-embed for a live chart; raises ChartError."""
    return _ask({"bundle": True})


class _Engine:
    """The process that draws, and why it draws no more."""

    def __init__(self) -> None:
        self.failure = ""  # of a process that ended before it answered anything: the next one would, too
        self._has_answered = False
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def is_over(self) -> bool:
        """Whether another process may answer where this one ended, also of itself, between two charts."""
        return self._process.poll() is not None and not self.failure

    def ask(self, line: bytes) -> str:
        """Return the answer to a request, a line of JSON; raises ChartError."""
        if self.failure:
            raise EngineError(self.failure)
        answer = self._answer(line)
        if not answer:
            self.close()
            ended = f"the process that draws ended with {_how(self._process.returncode)}"
            if self._has_answered:
                raise ChartError(ended)
            self.failure = f"{ended}{_remedy()}"
            raise EngineError(self.failure)
        self._has_answered = True
        told = json.loads(answer)
        if "error" in told:
            raise ChartError(told["error"])
        return str(told["text"])

    def _answer(self, line: bytes) -> bytes:
        """Return the line of an answer; empty where the process has ended, or took too long and was ended."""
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        watch = threading.Timer(LONGEST_S, self._process.kill)
        watch.start()
        try:
            writer.write(line)
            writer.flush()
            return reader.readline()
        except OSError:
            return b""
        finally:
            watch.cancel()

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_ENGINES: Final[dict[int, _Engine]] = {}  # by the process that started it: a forked one starts its own


def _ask(request: Mapping[str, Any]) -> str:
    line = json.dumps(request, allow_nan=False).encode() + b"\n"
    own = os.getpid()
    if own in _ENGINES and _ENGINES[own].is_over:
        _ENGINES.pop(own).close()
    if own not in _ENGINES:
        _ENGINES[own] = _Engine()
    return _ENGINES[own].ask(line)


@atexit.register
def close() -> None:
    """End the engine of this process; the next chart starts another."""
    if engine := _ENGINES.pop(os.getpid(), None):
        engine.close()


def _remedy() -> str:
    """Return what may help where nothing can be drawn at all; empty: nothing is known."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if limit == resource.RLIM_INFINITY else "; it needs `ulimit -v unlimited`"


def _how(code: int) -> str:
    """Return an exit code in words."""
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"
