"""The next release: a copy of the program whose account states have fields that this one does not know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LAST = '    outbox: list[OutboxRecord] = field(default_factory=list)\n    """Outputs that are decided'
_ADDED = '''\
    patience: int = 7
    """A field with a default, as all that are added."""
    notes: dict[str, float] = field(default_factory=lambda: {"since": 2.5})
    """And one that holds others."""
'''


def next_release(directory: Path) -> Path:
    """Builds it in an empty directory; the `cwd` in which its worker is started."""
    for name in ("streams", "schemas"):
        shutil.copytree(_ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = directory / "streams" / "domain" / "account.py"
    text = source.read_text(encoding="utf-8")
    if text.count(_LAST) != 1:
        raise RuntimeError("the account state has changed; so should this")
    source.write_text(text.replace(_LAST, _ADDED + _LAST), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "streams.shell.state_codec", "--new"], cwd=directory, check=True, capture_output=True
    )
    return directory
