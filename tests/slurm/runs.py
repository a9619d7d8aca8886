"""A fleet's run on the cluster of the tests: NumPy's regression, a second of work for each task."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.fleet.folder import Attempt, FleetFolder
from tests.slurm.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
H200 = '[[hosts]]\nname = "h200"\ngres = "gpu:h200:1"\n'
L4 = '[[hosts]]\nname = "l4"\ngres = "gpu:l4:1"\n'
ANY = '[[hosts]]\nname = "any"\nconstraint = "fake"\n'
SMALL: Mapping[str, object] = {
    "framework": "numpy",
    "mode": "eager",
    "profile": "look",
    "measure": "time",
    "blocks": 1,
    "cpus": "0",
    "seed": 1,
}


class FleetRun:
    """RUN.toml, the commands about it, and what is in its folder."""

    def __init__(self, cluster: Cluster, path: Path, hosts: Sequence[str], options: Mapping[str, object]) -> None:
        self._cluster = cluster
        self.shared = path / "shared"
        self.results = path / "results"
        self.shared.mkdir(parents=True)
        run = {**SMALL, **options}
        runner = json.dumps(run.pop("runner", ""))
        lines = [f'shared = "{self.shared}"', f'scratch = "{cluster.base / "scratch"}"', "time_limit = 5"]
        lines += [f"runner = {runner}", "[run]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in run.items()]
        self.file = path / "run.toml"
        self.file.write_text("\n".join([*lines, *hosts]))

    @property
    def folder(self) -> FleetFolder:
        """The folder of the run, read anew."""
        return FleetFolder(next(self.shared.glob("fleet-*")))

    def command(self, *words: str | Path) -> list[str]:
        """Return `samestep fleet …`."""
        return [sys.executable, "-m", "harness.cli", "fleet", *map(str, words)]

    def publish(self, site: Path) -> str:
        """Publish the collected runs as a site; return what was said."""
        words = ["publish", "--first-look", "--results", self.results, "--site", site, *sorted(self.results.iterdir())]
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *words: str | Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `samestep fleet …`."""
        return subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env={**self._cluster.environ, **(environ or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    def submit(self) -> None:
        """Submit and return."""
        done = self.run("submit", "--detach", self.file)
        assert done.returncode == 0, done.stderr

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start `samestep fleet …`."""
        return subprocess.Popen(
            self.command(*words), cwd=ROOT, env=self._cluster.environ, stdout=subprocess.PIPE, text=True
        )

    def watch(self) -> subprocess.CompletedProcess[str]:
        """Watch the run until it is over."""
        return self.run("status", "--watch", self.folder.path)

    def attempts(self) -> list[Attempt]:
        """Return all attempts, in the order in which they began."""
        several = (attempt for of_task in self.folder.attempts().values() for attempt in of_task)
        return sorted(several, key=lambda attempt: attempt.begun.unix_ns)

    def until(self, holds: Callable[[], object], seconds: float = 90) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.run("status", self.folder.path).stdout
            time.sleep(0.2)

    def until_it_measures(self, host: str) -> None:
        """Wait until a task measures on `host`."""
        self.until(lambda: [each for each in self.attempts() if each.begun.host == host and not each.ended])
        self.until(lambda: any((self.folder.path / "logs").glob("*")))
        self.until(lambda: any("block 1" in log.read_text() for log in (self.folder.path / "logs").glob("*")))

    def processes(self) -> list[str]:
        """Return the processes, on any host, that have to do with it: by their words, working folder or variables."""
        mark = self.folder.fleet.id.encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                texts = [(process / name).read_bytes() for name in ("cmdline", "environ")]
                texts.append(bytes((process / "cwd").readlink()))
            except OSError:
                continue
            if any(mark in text for text in texts):
                found.append(texts[0].replace(b"\0", b" ").decode())
        return found

    def clean_up(self) -> None:
        """Cancel what is not over."""
        for path in self.shared.glob("fleet-*"):
            self.run("cancel", path)
