"""No room on any disk of the worker. It keeps nothing there, so nothing may change; only its log falls silent."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.case import Case, CaseFailed, Mix, Row, Tier, Worker

_SIZE = "64k"


def run(case: Case) -> None:
    """Working directory, home and temporary files on a full disk; then not a byte of any file, the log included."""
    load = case.load(rate=200, accounts=80, mix=Mix(poison=0.005)).start()
    with _full_disk(case.directory / "full") as full:
        places = {name: str(full) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
        env = {**places, "PYTHONDONTWRITEBYTECODE": "1"}
        first, second = (case.worker(name, cwd=full, env=env) for name in ("w1", "w2"))
        case.progress()
        case.fault("no file may grow any more")
        for worker in (first, second):
            resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        # Lines are logged, and lost: partitions move to another worker and back.
        case.kill(second)
        case.recovered(120)
        third = case.worker("w3", cwd=full, env=env)
        case.progress()
        case.recovered(120)
        written = sorted({path for worker in (first, third) for path in _writable(worker)})
        if written:
            raise CaseFailed(f"the worker writes files: {', '.join(written)}")
        case.figure("files_written", len(written))
        load.stop()
        case.wait(lambda: case.lag() == 0, "everything applied and committed", 240)
        if first.stop(60 * case.patience) != 0:
            raise CaseFailed("the worker whose log cannot be written does not end with 0")
        case.finish()


def _writable(worker: Worker) -> list[str]:
    """Files that the worker holds open for writing, but for its log."""
    found = []
    folder = Path(f"/proc/{worker.process.pid}")
    for entry in (folder / "fd").iterdir():
        with contextlib.suppress(OSError):
            target = entry.readlink()
            flags = int((folder / "fdinfo" / entry.name).read_text(encoding="ascii").split("flags:")[1].split()[0], 8)
            if flags & os.O_ACCMODE != os.O_RDONLY and target.is_file() and target != worker.log.resolve():
                found.append(str(target))
    return found


@contextlib.contextmanager
def _full_disk(path: Path) -> Iterator[Path]:
    """A folder in which nothing can be written: a full file system of its own, or one without the right to."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(path)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        path.chmod(0o555)
    try:
        with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 4096)
        yield path
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", str(path)], check=False)  # noqa: S607
        path.chmod(0o755)


ROW = Row(number=17, title="disk full where the worker runs", tier=Tier.ONE, run=run, limits={"recovery_s": 60})
