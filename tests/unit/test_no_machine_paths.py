"""What is committed names no particular machine: no absolute paths of one, no hosts of package registries."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written apart, so that this file itself holds none of them.
_HOSTS = tuple(
    rf"{name}\.{rest}"
    for name, rest in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo1?", "maven"),
        ("maven", "org"),
        ("registry", "npmjs"),
        ("crates", "io"),
        ("proxy", "golang"),
        ("deb", "debian"),
    )
)
# A path counts where it begins, so that `docs/work/`, or a folder in the middle of a URL, does not.
_PATHS = tuple(f"/{name}/" for name in ("work", "root", "home"))
_FORBIDDEN = re.compile("|".join([*_HOSTS, *(rf"(?<![\w.}}/-]){path}" for path in _PATHS)]))
_TEMPORARY = re.compile(r"(?<![\w.}/-])/tmp/")
# Tests write there, and a container's file system is the product's own.
_MAY_NAME_TEMPORARY = ("tests/", "deploy/")


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
    findings = [line for name in _committable() for line in _findings(name)]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("words", [("see ", "work", "main"), ('path = "', "root", ".cache")])
def test_a_path_of_a_machine_is_found(words: tuple[str, str, str]) -> None:
    before, folder, rest = words
    assert _FORBIDDEN.search(f"{before}/{folder}/{rest}")


def test_the_host_of_a_registry_is_found() -> None:
    host = "pypi"
    assert _FORBIDDEN.search(f"index https://{host}.org/simple")


@pytest.mark.parametrize("line", ["docs/work/x", "GET {base}/root/1", "homework/", "tmp/"])
def test_the_patterns_spare(line: str) -> None:
    assert not _FORBIDDEN.search(line)
    assert not _TEMPORARY.search(line)
