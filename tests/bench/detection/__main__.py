"""Detection quality on open evaluation data: `python -m tests.bench.detection`, or `make bench-detection`.

    python -m tests.bench.detection                          every set
    python -m tests.bench.detection nab tcpd -- --bootstrap 0
    python -m tests.bench.detection nab --policies DIR       other policies, DIR/<set>.yaml
    python -m tests.bench.detection -- --disguise 7          the rest goes to the scoring program

The data and the scoring program are not in the project: BACKONTRACK_DATA names the folder of the data, the program lies
in the folder `scoring` beside it. It needs numpy, which the product does not: an environment of its own is made once.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.support.data import data_directory

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
EVERYTHING = "all"


class Missing(Exception):  # noqa: N818  says what is not there
    """Something that the bench needs is not on this machine; the message says what and where it was looked for."""


def scoring_program(data: Path | None) -> Path:
    """The scoring program beside the data. Raises Missing."""
    if data is None:
        raise Missing("no evaluation data: set BACKONTRACK_DATA to their folder, or put them into ../shared/data")
    found = data.resolve().parent / "scoring" / "score.py"
    if not found.is_file():
        raise Missing(f"no scoring program: {found} is not there")
    return found


def numpy_python(environment: Path) -> Path:
    """An interpreter that has numpy: this one, or that of an environment made from the lock. Raises Missing."""
    if importlib.util.find_spec("numpy") is not None:
        return Path(sys.executable)
    python = environment / "bin" / "python"
    stamp = environment / "requirements.lock"
    if stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes():
        return python
    uv = Path(sys.executable).with_name("uv")
    if not uv.is_file():
        raise Missing(f"numpy is not installed, and neither is uv ({uv}) to install it: run `make env`")
    commands = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment],
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, LOCK],
    )
    for command in commands:
        if subprocess.run([str(word) for word in command], check=False).returncode:
            raise Missing(f"numpy could not be installed into {environment}")
    stamp.write_bytes(LOCK.read_bytes())
    return python


def command_line(python: Path, program: Path, data: Path, name: str, policies: Path, rest: list[str]) -> list[str]:
    """How one set is scored."""
    product = Path(sys.executable).with_name("backontrack")
    words = [python, program, name, "--data", data, "--command", f"{product} backtest", "--policy-dir", policies]
    return [*map(str, words), *rest]


def main(arguments: list[str]) -> int:
    """Scores what was asked for; the exit code is the scoring program's, 0 with a word of explanation without data."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.detection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sets", nargs="*", default=[EVERYTHING], help="sets to score; all of them by default")
    parser.add_argument("--policies", type=Path, default=HERE / "policies", help="folder with <set>.yaml")
    asked = parser.parse_args(arguments[:split])
    data = data_directory()
    try:
        program = scoring_program(data)
        python = numpy_python(Path(sys.prefix) / "bench-detection")
    except Missing as missing:
        print(f"not scored: {missing}", file=sys.stderr)  # noqa: T201  a command's answer
        return 0
    assert data is not None
    code = 0
    for name in asked.sets:
        line = command_line(python, program, data, name, asked.policies, arguments[split + 1 :])
        code = subprocess.run(line, check=False).returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
