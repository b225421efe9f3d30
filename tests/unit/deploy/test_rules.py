"""Alerts name what exists, say what to do, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.panels import JOB
from tests.unit.deploy.promql import mistakes

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def _alerts() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def _promtool(*arguments: str) -> str:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_names_what_exists(alert: dict[str, Any]) -> None:
    """Syntax, types, metrics and labels."""
    assert list(mistakes(alert["expr"])) == []


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    """Severity, summary, and a runbook whose section is there."""
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    sections = re.findall(r"^## (\w+)$", (DEPLOY.parent / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert alert["alert"] in sections
    assert anchor == alert["alert"].lower()


def test_runbooks_are_of_alerts_that_exist_and_only_of_those() -> None:
    """A section whose alert is gone is removed with it."""
    sections = re.findall(r"^## (\w+)$", (DEPLOY / "runbooks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [alert["alert"] for alert in _alerts()]


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    """`rules_test.yml` shows each alert firing at least once, and quiet at least once."""
    loaded = yaml.safe_load((RULES.parent / "rules_test.yml").read_text(encoding="utf-8"))
    cases = [case for test in loaded["tests"] for case in test["alert_rule_test"]]
    names = {alert["alert"] for alert in _alerts()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def test_prometheus_scrapes_under_the_name_that_queries_use() -> None:
    """Dashboard and alerts select the job by name."""
    loaded = yaml.safe_load((RULES.parent / "prometheus.yml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in loaded["scrape_configs"]] == [JOB]


@needs_promtool
def test_prometheus_accepts_its_configuration() -> None:
    """Configuration and rule files, as Prometheus reads them."""
    assert f"{len(_alerts())} rules found" in _promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    """The cases of `rules_test.yml`."""
    assert "SUCCESS" in _promtool("test", "rules", "rules_test.yml")
