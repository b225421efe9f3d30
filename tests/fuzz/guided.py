"""Coverage-guided fuzzing: inputs that reach new places of the reader are kept and changed further.

The fuzzer sees into the library's reader in Python and into our codec. Every input that it keeps is then read through
the reader in C, which is the one in use, and both have to give the same event or refuse alike. The first byte of an
input chooses the topic; the header of its newest schema is put before the rest.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from streams.settings import Settings
from streams.shell import schemas
from streams.shell.codec import Codec
from streams.shell.frames import BadRecord, single_object_header
from tests.fuzz.guided_target import NAMES
from tests.fuzz.mutate import good
from tests.fuzz.reference import Refused, read

_CODEC = Codec(Settings())
_SLOW_S = 0.1


def campaign(seconds: int, seed: int) -> int:
    """Fuzzes for a time in a process of its own, then replays; how many findings."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        _plant(corpus, seed)
        planted = len(list(corpus.iterdir()))
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.fuzz.guided_target",
                str(corpus),
                str(seconds),
                str(seed),
                f"{folder}/found-",
            ],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        told = [line for line in ran.stderr.splitlines() if line.startswith(("#", "Done", "==", "SUMMARY"))]
        print("\n".join(told[-2:]))
        kept = sorted([*corpus.iterdir(), *Path(folder).glob("found-*")])
        findings = [] if ran.returncode == 0 else [f"the fuzzer ended with {ran.returncode}: {ran.stderr[-3000:]}"]
        findings += [found for path in kept if (found := replay(path.read_bytes()))]
        print(f"guided       {planted} inputs became {len(kept)}; all read by both readers, {len(findings)} findings")
        print("\n".join(findings[:5]))
        return len(findings)


def _plant(corpus: Path, seed: int) -> None:
    """Right records of each topic to begin with."""
    for number, frame in enumerate(itertools.islice(good(seed), 60)):
        value = frame.value or b""
        (corpus / f"{number:03d}").write_bytes(bytes([NAMES.index(frame.topic)]) + value[10:])


def replay(data: bytes) -> str:
    """What is wrong about an input; empty when the codec, over the reader in C, and the reference agree."""
    topic = NAMES[(data[0] if data else 0) % len(NAMES)]
    value = single_object_header(schemas.newest(topic).crc) + data[1:]
    began = time.thread_time()
    try:
        got: Any = _CODEC.decode(topic, value)
    except BadRecord as refused:
        got = refused
    took = time.thread_time() - began
    if took > _SLOW_S:
        return f"{topic}: {took:.2f} s for {len(value)} bytes"
    try:
        expected = read(topic, value)
    except Refused as refused:
        return f"{topic}: read, though {refused.reason}: {value!r}" if isinstance(got, dict) else ""
    if not isinstance(got, dict):
        return f"{topic}: refused, though right ({got}): {value!r}"
    return "" if _same(got, expected) else f"{topic}: {got} instead of {expected}"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and bool(left == right)
