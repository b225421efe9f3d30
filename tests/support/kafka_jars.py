"""Gets the programs of a real Apache Kafka with Maven, once per machine."""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

KAFKA_VERSION = "4.3.0"
_LOG4J_VERSION = "2.25.2"
_OLDEST_JAVA = 17

_ARTIFACTS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J_VERSION),
    ("org.apache.logging.log4j", "log4j-core", _LOG4J_VERSION),
)


@functools.cache
def unavailable_reason() -> str | None:
    """Why no real broker can run here, or None when it can."""
    java = shutil.which("java")
    if java is None:
        return "Java is not installed"
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        return f"Java {_OLDEST_JAVA} or newer is needed"
    if shutil.which("mvn") is None and not _complete(_directory()):
        return "Maven is not installed and Kafka was not fetched before"
    return None


def classpath() -> str:
    """The Java class path of Kafka, fetched first when this machine does not have it."""
    target = _directory()
    if not _complete(target):
        _fetch(target)
    # The JVM expands the star itself.
    return f"{target}/*"


def _directory() -> Path:
    chosen = os.environ.get("BACKONTRACK_KAFKA_LIBS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "backontrack" / f"kafka-{KAFKA_VERSION}"


def _complete(directory: Path) -> bool:
    # The directory appears by a rename, so one jar stands for all of them.
    return (directory / f"kafka_2.13-{KAFKA_VERSION}.jar").is_file()


def _fetch(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        # Two test runs on one machine fetch once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _complete(target):
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            pom = Path(scratch) / "pom.xml"
            pom.write_text(_pom(), encoding="utf-8")
            subprocess.run(
                [  # noqa: S607  (Maven is where the developer's PATH says)
                    "mvn",
                    "-q",
                    "-B",
                    "-Dstyle.color=never",
                    "-f",
                    str(pom),
                    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                    f"-DoutputDirectory={scratch}/libs",
                ],
                check=True,
                stdin=subprocess.DEVNULL,
            )
            shutil.rmtree(target, ignore_errors=True)
            (Path(scratch) / "libs").rename(target)


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in _ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
