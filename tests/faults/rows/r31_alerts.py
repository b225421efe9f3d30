"""The shipped alerts on a real Prometheus: each fault raises its own, in time, and no other; calm raises none.

All times of the rules are shortened, so that a run takes minutes; with ALERTS=full they are as shipped.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from streams import topics
from streams.settings import Settings
from streams.shell.admin import Admin
from tests.faults.case import Case, CaseFailed, Mix, Row, Sent, Tier
from tests.support.prometheus import Prometheus

FULL = os.environ.get("ALERTS") == "full"
QUICKER = 1.0 if FULL else 10.0
FIRES_S = 300.0
CALM_S = 1_800.0 / QUICKER
RESOLVES_S = 1_500.0
"""The longest range of these alerts is 15 minutes, after the fault has ended."""
_POISON = 20


class Watch:
    """Waits for alerts, and keeps the names of all that fired."""

    def __init__(self, case: Case, prometheus: Prometheus) -> None:
        self._case = case
        self._prometheus = prometheus
        self.seen: set[str] = set()

    def firing(self) -> set[str]:
        """What fires now."""
        now = self._prometheus.firing()
        for name in now - self.seen:
            self._case.note(f"alert {name}")
        self.seen |= now
        return now

    def fires(self, alert: str) -> None:
        """Waits until an alert fires; how long that took is a figure. Raises CaseFailed."""
        began = time.monotonic()
        self._case.wait(lambda: alert in self.firing(), f"{alert} fires", FIRES_S)
        self._case.figure("fires_s", time.monotonic() - began)

    def resolves(self, alert: str) -> None:
        """Waits until it does not fire any more, as above."""
        began = time.monotonic()
        self._case.wait(lambda: alert not in self.firing(), f"{alert} resolves", RESOLVES_S)
        self._case.figure("resolves_s", time.monotonic() - began)

    def quiet(self, seconds: float) -> None:
        """Nothing fires for so long. Raises CaseFailed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := self.firing():
                raise CaseFailed(f"in calm minutes: {', '.join(sorted(found))}")
            time.sleep(1.0)


def calm(case: Case, watch: Watch) -> None:
    """Nothing happens, and nothing is said."""
    watch.quiet(CALM_S)
    case.figure("calm_s", CALM_S)


def killed(case: Case, watch: Watch) -> None:
    """The only worker dies and is started again later."""
    (worker,) = case.alive
    case.kill(worker)
    watch.fires("BackOnTrackNoWorker")
    case.restart(worker)
    watch.resolves("BackOnTrackNoWorker")


def bounced(case: Case, watch: Watch) -> None:
    """The broker is restarted."""
    case.fault("broker killed")
    case.broker.kill()
    time.sleep(12.0)
    case.broker.start()
    case.fault("broker back")
    watch.fires("BackOnTrackWasHeld")
    watch.resolves("BackOnTrackWasHeld")


def outage(case: Case, watch: Watch) -> None:
    """The broker is away for minutes."""
    case.fault("broker killed")
    case.broker.kill()
    watch.fires("BackOnTrackHolds")
    case.broker.start()
    case.fault("broker back")
    watch.resolves("BackOnTrackHolds")


def poison(case: Case, watch: Watch) -> None:
    """Some records cannot be read."""
    _send_poison(case)
    watch.fires("BackOnTrackDeadLetters")
    watch.resolves("BackOnTrackDeadLetters")


def letters(case: Case, watch: Watch) -> None:
    """The dead-letter topic is gone when it is needed."""
    name = case.topic(topics.DEAD_LETTERS)
    admin = AdminClient({"bootstrap.servers": case.bootstrap, "log_level": 0})
    admin.delete_topics([name])[name].result(30)
    case.fault("dead-letter topic deleted")
    _send_poison(case)
    watch.fires("BackOnTrackHolds")
    Admin(
        Settings(
            bootstrap_servers=case.bootstrap,
            topic_prefix=case.prefix,
            app_id=case.app_id,
            partitions=case.partitions,
        )
    ).create()
    case.fault("dead-letter topic created")
    watch.resolves("BackOnTrackHolds")


def _send_poison(case: Case) -> None:
    case.fault(f"{_POISON} records that cannot be read")
    load = case.load(rate=1, warm_days=0)
    now = max(line.time for line in case.ledger.lines)
    load.send(
        Sent(topics.USAGE, b"account-%d" % number, b"\x00not a frame", now, poison="wrong_magic")
        for number in range(_POISON)
    )
    load.flush()


VARIANTS: dict[str, tuple[Callable[[Case, Watch], None], set[str]]] = {
    "calm": (calm, set()),
    "killed": (killed, {"BackOnTrackNoWorker", "BackOnTrackWorkerDown"}),
    "bounced": (bounced, {"BackOnTrackWasHeld", "BackOnTrackHolds"}),
    "outage": (outage, {"BackOnTrackWasHeld", "BackOnTrackHolds"}),
    "poison": (poison, {"BackOnTrackDeadLetters"}),
    "letters": (letters, {"BackOnTrackHolds", "BackOnTrackWasHeld", "BackOnTrackDeadLetters"}),
}
"""What is done, and the alerts that may fire meanwhile."""


def run(case: Case) -> None:
    """One worker under a small load, scraped once a second."""
    fault, allowed = VARIANTS[case.variant]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    case.worker("w1", metrics_port=str(port), delivery_timeout="5s")
    case.load(rate=20, accounts=20, mix=Mix(responses=False)).start()
    case.progress()
    case.recovered(120 * case.patience, "warm_s")
    quicker = max(1.0, QUICKER / case.patience)
    with Prometheus([f"127.0.0.1:{port}"], quicker, every_s=15 if FULL else case.patience) as prometheus:
        watch = Watch(case, prometheus)
        watch.quiet(90.0 / quicker)
        fault(case, watch)
        if unexpected := watch.seen - allowed:
            raise CaseFailed(f"alerts that do not belong to the fault: {', '.join(sorted(unexpected))}")
    case.recovered(120 * case.patience)
    case.finish()


ROW = Row(
    number=31,
    title="alerts under fault",
    tier=Tier.ONE,
    run=run,
    own_broker=True,
    variants=tuple(VARIANTS),
)
