"""The compose file: what it names exists, what it opens stays on this machine, and its parts fit together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import PREFIX, Settings
from tests.support.kafka import KAFKA_VERSION

DEPLOY = Path(__file__).parents[3] / "deploy"
PROVISIONING = DEPLOY / "grafana" / "provisioning"
# Of the compose specification, what this file may use: anything else is a misspelling until it is added.
SERVICE_KEYS = {
    "image", "build", "command", "environment", "ports", "volumes", "healthcheck", "depends_on", "restart",
    "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "start_period", "retries", "disable"}
CONDITIONS = {"service_healthy", "service_completed_successfully", "service_started"}


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


COMPOSE: dict[str, Any] = _yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


def _mounts(service: dict[str, Any]) -> list[list[str]]:
    return [volume.split(":") for volume in service.get("volumes", [])]


def _container_files(name: str) -> dict[str, Path]:
    """Host path by path in the container of every file and folder that is mounted."""
    return {mount[1]: DEPLOY / mount[0] for mount in _mounts(SERVICES[name]) if mount[0].startswith(".")}


def test_all_parts_are_there() -> None:
    """Kafka, topics, worker, board, Prometheus, Grafana."""
    assert set(SERVICES) == {"kafka", "topics", "worker", "board", "prometheus", "grafana"}


@each_service
def test_keys_are_spelt_right(name: str) -> None:
    """Compose refuses what it does not know; so does this test, without compose."""
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert set(service.get("healthcheck", {})) <= HEALTH_KEYS
    assert {key for key in COMPOSE if not key.startswith("x-")} <= {"name", "services", "volumes"}


@each_service
def test_images_are_pinned(name: str) -> None:
    """A tag that moves makes two installations differ."""
    tag = SERVICES[name]["image"].partition(":")[2]
    assert tag == "local" or tag.lstrip("v")[0].isdigit()
    assert tag not in {"", "latest"}


def test_the_broker_is_the_version_that_is_tested() -> None:
    """The integration tests run the same Kafka."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@each_service
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    """Nothing here asks for a password."""
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@each_service
def test_mounted_files_exist_and_volumes_are_declared(name: str) -> None:
    """Docker would create an empty folder for a file that is missing."""
    for source, *_rest in _mounts(SERVICES[name]):
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
        else:
            assert source in COMPOSE["volumes"], source


def test_every_declared_volume_is_used() -> None:
    """What must outlive a container is in a named volume."""
    used = {mount[0] for service in SERVICES.values() for mount in _mounts(service)}
    assert set(COMPOSE["volumes"]) <= used


@each_service
def test_what_is_waited_for_can_happen(name: str) -> None:
    """Healthy needs a health check, completed needs something that ends."""
    for other, wish in SERVICES[name].get("depends_on", {}).items():
        assert wish["condition"] in CONDITIONS
        if wish["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        elif wish["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] in {"no", "on-failure"}


@each_service
def test_what_runs_on_has_a_health_check(name: str) -> None:
    """Its own, or the one of our image; the one-shot service has none."""
    health = SERVICES[name].get("healthcheck")
    if name == "topics":
        assert health == {"disable": True}
    elif name == "worker":
        assert health is None
        assert "HEALTHCHECK" in (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    else:
        assert health is not None
        assert health["test"][0] == "CMD"


@pytest.mark.parametrize("name", ["topics", "worker", "board"])
def test_settings_of_our_services_exist(name: str) -> None:
    """The program refuses a misspelt setting at start; the test does before."""
    for variable in SERVICES[name]["environment"]:
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields, variable


def test_clients_reach_the_listener_that_is_meant_for_them() -> None:
    """Containers by service name, programs on this machine by the published port."""
    kafka = SERVICES["kafka"]["environment"]
    listeners = dict(item.split("://") for item in kafka["KAFKA_LISTENERS"].split(","))
    advertised = dict(item.split("://") for item in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised["INTERNAL"] == SERVICES["worker"]["environment"]["BACKONTRACK_BOOTSTRAP_SERVERS"]
    assert advertised["INTERNAL"] == f"kafka{listeners['INTERNAL']}"
    assert SERVICES["kafka"]["ports"] == [f"{advertised['HOST']}{listeners['HOST']}"]
    assert kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@kafka{listeners['CONTROLLER']}"
    protocols = dict(item.split(":") for item in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(protocols) == set(listeners)


def test_published_ports_are_the_defaults_of_the_settings() -> None:
    """The board listens where its setting says, and Prometheus asks the worker where its setting says."""
    assert SERVICES["board"]["ports"][0].endswith(f":{Settings.model_fields['board_port'].default}")
    scraped = _yaml(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"][0]["dns_sd_configs"][0]
    assert scraped["names"] == ["worker"]
    assert scraped["port"] == Settings.model_fields["metrics_port"].default


def test_prometheus_finds_its_files() -> None:
    """The configuration on the command line, and the rules that it names."""
    files = _container_files("prometheus")
    [argument] = [arg for arg in SERVICES["prometheus"]["command"] if arg.startswith("--config.file=")]
    config = Path(argument.partition("=")[2])
    for rules in _yaml(files[str(config)])["rule_files"]:
        assert files[str(config.parent / rules)].is_file()


def test_grafana_finds_data_source_and_dashboard() -> None:
    """Provisioned, so that nobody has to click."""
    files = _container_files("grafana")
    [source] = _yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["type"] == "prometheus"
    [provider] = _yaml(PROVISIONING / "dashboards" / "backontrack.yml")["providers"]
    assert (files[provider["options"]["path"]] / "backontrack.json").is_file()
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (files[str(home.parent)] / home.name).is_file()


def test_grafana_counts_intervals_as_prometheus_scrapes() -> None:
    """A shorter one would leave its rates without samples."""
    [source] = _yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"]
    scrape = _yaml(DEPLOY / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape
