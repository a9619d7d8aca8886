"""The host's view of a replicate through psutil: resident memory and CPU time of its process tree."""

import psutil


class ProcessProbe:
    """Sums over a process and its children; says nothing before `watch` was called or after they are gone."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._process: psutil.Process | None = None

    def watch(self, pid: int) -> None:
        """Follow the process `pid` of the host."""
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def __call__(self) -> list[tuple[str, str, str, float]]:
        """Return resident bytes and CPU seconds of the tree."""
        if self._process is None:
            return []
        try:
            tree = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []
        resident, seconds, seen = 0, 0.0, 0
        for process in tree:
            try:
                resident += process.memory_info().rss
                times = process.cpu_times()
            except psutil.Error:
                continue
            seconds += times.user + times.system
            seen += 1
        if not seen or not resident:
            return []
        return [
            ("process", self.subject, "rss_bytes", float(resident)),
            ("process", self.subject, "cpu_seconds", round(seconds, 3)),
            ("process", self.subject, "processes", float(seen)),
        ]
