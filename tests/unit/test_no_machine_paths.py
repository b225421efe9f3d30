"""What is committed names no particular machine: no absolute paths of one, no hosts of package registries."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_HOSTS = (
    r"pypi\.org",
    r"pythonhosted\.org",
    r"repo1?\.maven",
    r"maven\.org",
    r"registry\.npmjs",
    r"crates\.io",
    r"proxy\.golang",
    r"deb\.debian",
)
# A path counts where it begins, so that `docs/work/` and a URL's `/root/` in the middle of a word do not.
_PATHS = (r"/work/", r"/root/", r"/home/[a-z]")
_FORBIDDEN = re.compile("|".join([*_HOSTS, *(rf"(?<![\w.}}/-]){path}" for path in _PATHS)]))
_TEMPORARY = re.compile(r"(?<![\w.}/-])/tmp/")
# Tests write there, and a container's file system is the product's own.
_MAY_NAME_TEMPORARY = ("tests/", "deploy/")
_SELF = "tests/unit/test_no_machine_paths.py"


def _committable() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def _findings(name: str) -> list[str]:
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    patterns = [_FORBIDDEN] if name.startswith(_MAY_NAME_TEMPORARY) else [_FORBIDDEN, _TEMPORARY]
    return [
        f"{name}:{number}: {found[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern in patterns
        if (found := pattern.search(line))
    ]


def test_no_machine_paths_and_registry_hosts() -> None:
    findings = [line for name in _committable() if name != _SELF for line in _findings(name)]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("line", ["see /work/main/x", 'path = "/root/.cache"', "index https://pypi.org/simple"])
def test_the_patterns_find(line: str) -> None:
    assert _FORBIDDEN.search(line)


@pytest.mark.parametrize("line", ["docs/work/x", "GET {base}/root/1", "homework/", "tmp/"])
def test_the_patterns_spare(line: str) -> None:
    assert not _FORBIDDEN.search(line)
    assert not _TEMPORARY.search(line)
