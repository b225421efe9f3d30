"""Where the public evaluation data lie: `BACKONTRACK_DATA`, or `../shared/data` beside the checkout.

None of it is in the project.
"""

from __future__ import annotations

import os
from pathlib import Path


def data_directory() -> Path | None:
    """The folder of the public data, or None when it is not there."""
    here = Path(__file__).resolve().parents[2]
    named = os.environ.get("BACKONTRACK_DATA")
    found = Path(named) if named else here.parent / "shared" / "data"
    return found if found.is_dir() else None


def replay_directory() -> Path | None:
    """The folder with the history for the replay, or None."""
    base = data_directory()
    return base / "replay" if base is not None and (base / "replay").is_dir() else None
