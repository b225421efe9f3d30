"""The container file: pinned, locked by hash, not root, and everything that it copies is there."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy" / "Containerfile"
KNOWN = {
    "FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT",
    "CMD",
}  # fmt: skip


def _instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) in order, with comments dropped and continued lines joined."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(instruction, arguments) for instruction, arguments in pairs]


def _all(instruction: str) -> list[str]:
    return [arguments for name, arguments in _instructions() if name == instruction]


def _locked(path: Path) -> dict[str, str]:
    """Requirement with its hashes, by name."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", path.read_text(encoding="utf-8"))
    return {block.split("==")[0]: block for block in blocks if "==" in block}


def test_instructions_are_known() -> None:
    """A misspelt one would fail on the first build, far from here."""
    assert {name for name, _ in _instructions()} <= KNOWN


def test_bases_are_slim_and_pinned_to_one_release() -> None:
    """The Python that the project is tested with, down to the patch, in both stages."""
    bases = [arguments.split()[0] for arguments in _all("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_it_does_not_run_as_root() -> None:
    """The last word on the user is a number, which orchestrators can check."""
    user = _all("USER")[-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert f"--uid {user.split(':')[0]} " in " ".join(_all("RUN"))


def test_everything_installed_is_locked_by_hash() -> None:
    """Either by a lock file, or from the wheel built here without looking anywhere else."""
    installs = [part for run in _all("RUN") for part in run.split("&&") if re.search(r"/pip (install|wheel)", part)]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install, install
        if "--no-deps" in install:
            assert "--no-index" in install or "--no-build-isolation" in install, install


def test_the_build_backend_is_the_one_of_the_development_lock() -> None:
    """`deploy/build.lock` is a part of `requirements-dev.lock`, word for word."""
    development = _locked(ROOT / "requirements-dev.lock")
    build = _locked(ROOT / "deploy" / "build.lock")
    assert "hatchling" in build
    assert build == {name: development[name] for name in build}


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    """The ignore file lets through exactly what the container file copies."""
    copied = {
        source
        for arguments in _all("COPY")
        if not arguments.startswith("--from")
        for source in (item.removeprefix("./") for item in shlex.split(arguments)[:-1])
    }
    for source in copied:
        assert (ROOT / source).exists(), source
    ignore = (ROOT / "deploy" / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == copied


def test_what_the_build_reads_is_copied() -> None:
    """The package needs its schemas, its licence and what else `pyproject.toml` names."""
    copies = " ".join(_all("COPY"))
    for needed in ("pyproject.toml", "LICENSE", "streams", "schemas", "requirements.lock"):
        assert needed in copies


def test_no_secret_is_baked_in() -> None:
    """Settings with an address at most; passwords come from outside."""
    for arguments in (*_all("ENV"), *_all("LABEL"), *_all("RUN")):
        assert not re.search(r"password|secret|token|api_?key|credential", arguments, re.IGNORECASE)


def test_health_is_progress_as_the_worker_tells_it() -> None:
    """The check is Python that compiles and asks /livez at the port of the settings."""
    [health] = _all("HEALTHCHECK")
    options, _, command = health.partition("CMD ")
    assert {"--interval=", "--timeout=", "--start-period=", "--retries="} <= set(re.findall(r"--[a-z-]+=", options))
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    ast.parse(code)
    assert "/livez" in code
    assert "BACKONTRACK_METRICS_PORT" in code


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "CMD"])
def test_commands_are_lists(instruction: str) -> None:
    """A shell in between would swallow SIGTERM, and with it the last checkpoint."""
    [arguments] = _all(instruction)
    assert isinstance(json.loads(arguments), list)
