"""The reference job on other engines, in the same rounds as ours. Its programs lie elsewhere; they are only run.

The folder holds `load.py BOOTSTRAP EVENTS ACCOUNTS PARTITIONS`, `floor.py BOOTSTRAP EVENTS` (consume and decode only)
and the built `kstreams/` job. Each ends with the line `RESULT name events=N wall=S cpu=S`: seconds since its first
record.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_RESULT = re.compile(r"RESULT \S+ events=(\d+) wall=([\d.]+) cpu=([\d.]+)")
_TIMEOUT_S = 900
FLOOR = "floor"
NAMES = (FLOOR, "kstreams-memory", "kstreams-rocksdb")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one engine: events, seconds by the clock and of CPU from the first record to the last."""

    events: int
    wall_s: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        """CPU time an event in us."""
        return self.cpu_s / self.events * 1e6

    @property
    def rate(self) -> float:
        """Events a second by the clock."""
        return self.events / self.wall_s


@dataclass(frozen=True)
class Peers:
    """The programs in `directory`, against one broker."""

    directory: Path
    bootstrap: str

    def load(self, events: int, accounts: int, partitions: int) -> None:
        """Fills their topic, once for all rounds. Raises CalledProcessError."""
        program = self.directory / "load.py"
        words = [sys.executable, str(program), self.bootstrap, str(events), str(accounts), str(partitions)]
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)

    def run(self, name: str, events: int) -> Sample:
        """Runs one of NAMES over the loaded topic. Raises RuntimeError when it gives no result."""
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                self._command(name, events, scratch),
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                cwd=scratch,
                check=False,
            )
        found = _RESULT.search(done.stdout)
        if found is None:
            raise RuntimeError(f"{name} gave no result:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return Sample(int(found[1]), float(found[2]), float(found[3]))

    def _command(self, name: str, events: int, scratch: str) -> list[str]:
        if name == FLOOR:
            return [sys.executable, str(self.directory / "floor.py"), self.bootstrap, str(events)]
        built = self.directory / "kstreams" / "target"
        path = f"{built / 'kstreams-peer-1.jar'}:{built / 'libs'}/*"
        store = name.removeprefix("kstreams-")
        # A name of its own makes a group of its own, which begins at the first record.
        run = str(random.SystemRandom().randrange(1 << 48))
        return [
            "java",
            "-Xmx1g",
            f"-Dstore={store}",
            "-cp",
            path,
            "peer.Peer",
            self.bootstrap,
            str(events),
            run,
            scratch,
        ]
