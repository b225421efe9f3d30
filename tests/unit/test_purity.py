"""The core imports no Faust, Kafka, Avro or Prometheus, and uses no clock, randomness or I/O."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("domain", "health", "detection", "interventions", "outcomes")
FILES = ("fold.py", "partition.py", "merge.py", "sentiment/scorer.py", "policy/model.py")
SHELL = {"faust", "mode", "aiokafka", "confluent_kafka", "fastavro", "prometheus_client", "aiohttp", "streams.shell"}
IMPURE = {"time", "random", "secrets", "os", "io", "socket", "asyncio", "threading", "subprocess", "pathlib", "logging"}
NOW = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input"}
PROBE = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
    for shell in sys.argv[1].split(","):
        if shell in sys.modules:
            sys.exit(f"{name} brings in {shell}")
"""


def sources() -> list[Path]:
    """All files of the core."""
    found = [ROOT / "streams" / name for name in FILES]
    found += [path for folder in FOLDERS for path in sorted((ROOT / "streams" / folder).glob("*.py"))]
    return [path for path in found if path.name != "__init__.py"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_the_core_brings_in_no_shell() -> None:
    """A fresh interpreter that imports all of the core has loaded nothing of the shell."""
    names = [name_of(path) for path in sources()]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(sorted(SHELL)), *names],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_a_core_module_uses_no_clock_no_lots_and_no_files(path: Path) -> None:
    """Its own source imports none of the modules that would, and calls nothing that asks the time."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used |= {alias.name.split(".")[0] for alias in node.names} & IMPURE
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            used |= {(node.module or "").split(".")[0]} & IMPURE
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            used |= {called} & NOW
    assert used == set()
