"""Password and certificate are replaced while workers run, and their rights are taken away for a minute."""

from __future__ import annotations

import time

import trustme

from streams.settings import Settings
from streams.shell import acls
from tests.faults.case import Case, CaseFailed, Row, Tier
from tests.support.secure_kafka import SecureBroker

_WORKER = "User:worker"
_REAUTHENTICATE_MS = 6_000
_REVOKED_S = 60.0
_LINES = 120
"""Most lines of log of a worker for a minute without rights."""


def run(case: Case) -> None:
    """Two workers with the rights that `backontrack acls` prints, on a broker that asks for them."""
    reauthenticate = _REAUTHENTICATE_MS if case.variant == "password" else 0
    with SecureBroker(case.directory / "broker", reauthenticate_ms=reauthenticate) as broker:
        case.broker = broker
        case.create_topics()
        broker.allow(_WORKER, _rights(case))
        try:
            {"password": _password, "certificate": _certificate, "revoked": _revoked}[case.variant](case, broker)
        except Exception:
            case.read()
            raise


def _rights(case: Case) -> list[acls.Right]:
    return acls.rights(Settings(topic_prefix=case.prefix, app_id=case.app_id, clock="events"), acls.WORKER)


def _password(case: Case, broker: SecureBroker) -> None:
    """Connections end after seconds unless they log in again, so that each needs the new one soon."""
    file = case.directory / "password"
    file.write_text("the first password", encoding="utf-8")
    broker.set_user("worker", "the first password")
    case.settings = {
        "security_protocol": "sasl_ssl",
        "sasl_username": "worker",
        "sasl_password_file": str(file),
        "ssl_ca_file": str(broker.ca_file),
    }
    _begin(case, broker.scram)
    for number in range(2):
        secret = f"password {number} of {case.rng.random()}"
        case.fault("password replaced on the broker")
        broker.set_user("worker", secret)
        case.pause(case.rng.uniform(0.0, 2.5 * _REAUTHENTICATE_MS / 1000))
        case.fault("password replaced in the file")
        new = file.with_suffix(".new")
        new.write_text(secret, encoding="utf-8")
        new.replace(file)
        case.recovered(60)
        _ready(case, 60)
        # Every connection that was made with the old one is over by then.
        case.pause(_REAUTHENTICATE_MS / 1000)
        case.progress()
    case.finish()


def _certificate(case: Case, broker: SecureBroker) -> None:
    """Once in time, and once when the broker already refuses the old one."""
    directory = case.directory / "worker"
    pair = broker.pair("worker", directory)
    case.settings = {
        "security_protocol": "ssl",
        "ssl_ca_file": str(broker.ca_file),
        "ssl_certificate_file": str(pair.certificate),
        "ssl_key_file": str(pair.key),
    }
    _begin(case, broker.mutual)
    for late in (False, True):
        authority = trustme.CA()
        broker.trust(authority)
        if not late:
            case.fault("certificate replaced in the file")
            broker.pair("worker", directory, authority=authority)
            case.pause(case.rng.uniform(5.0, 10.0))
        case.fault("the broker comes back, and only takes the new one")
        broker.restart()
        if late:
            case.pause(case.rng.uniform(5.0, 15.0))
            case.fault("certificate replaced in the file")
            broker.pair("worker", directory, authority=authority)
        case.recovered(60)
        _ready(case, 60)
        case.progress()
    case.finish()


def _revoked(case: Case, broker: SecureBroker) -> None:
    """Alive, not ready, with the reason in the log once in a while; going on when the rights are back."""
    broker.set_user("worker", "a password")
    case.settings = {
        "security_protocol": "sasl_ssl",
        "sasl_username": "worker",
        "sasl_password": "a password",
        "ssl_ca_file": str(broker.ca_file),
    }
    _begin(case, broker.scram)
    before = [len(worker.output.splitlines()) for worker in case.workers]
    case.fault("all rights taken away")
    broker.deny_all(_WORKER)
    began = time.monotonic()
    case.wait(lambda: all(worker.probe("/readyz")[0] == 503 for worker in case.alive), "not ready", 45)
    case.figure("not_ready_s", time.monotonic() - began)
    case.wait(lambda: all("denied" in worker.probe("/readyz")[1] for worker in case.alive), "the reason in /readyz", 45)
    while time.monotonic() - began < _REVOKED_S:
        case.wait(lambda: all(worker.probe("/livez")[0] == 200 for worker in case.alive), "live", 10)
        case.pause(2)
    for worker, lines in zip(case.workers, before, strict=True):
        written = len(worker.output.splitlines()) - lines
        case.worst("lines", written)
        if "authoriz" not in worker.output.lower():
            raise CaseFailed(f"{worker.name} does not tell why it waits:\n{worker.output[-2000:]}")
    case.fault("rights given again")
    broker.allow(_WORKER, _rights(case))
    case.recovered(60)
    _ready(case, 60)
    case.finish()


def _begin(case: Case, bootstrap: str) -> None:
    for name in ("w1", "w2"):
        case.worker(name, bootstrap=bootstrap)
    case.load(rate=20, accounts=40).start()
    case.progress()
    _ready(case, 90)
    # What the fault costs is told from a worker that kept up.
    case.recovered(120, "start_s")


def _ready(case: Case, timeout: float) -> None:
    case.wait(
        lambda: len(case.alive) == 2 and all(worker.probe("/readyz")[0] == 200 for worker in case.alive),
        "both workers ready",
        timeout,
    )


ROW = Row(
    number=29,
    title="credentials",
    tier=Tier.ONE,
    run=run,
    variants=("password", "certificate", "revoked"),
    limits={"recovery_s": 60},
)
