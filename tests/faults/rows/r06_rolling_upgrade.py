"""Two workers go over to the next release one after the other, and back again, under load.

The next release's account states have fields that this one does not know. Each reads what the other wrote, by the
schemas on the changelog.
"""

from __future__ import annotations

from streams.shell.changelog import SCHEMA_PREFIX
from streams.shell.frames import single_object_header
from streams.shell.state_codec import account_codec, learn
from tests.faults.case import Case, CaseFailed, Mix, Row, Tier
from tests.support.release import next_release
from tests.support.stored import read_topic


def run(case: Case) -> None:
    """N, N and N+1, N+1, N+1 and N, N."""
    release = next_release(case.directory / "next")
    case.load(rate=150, accounts=80, mix=Mix(poison=0.005)).start()
    workers = [case.worker("w1"), case.worker("w2")]
    case.progress()
    case.recovered(120, "start_s")
    for name, cwd in (("upgrade", release), ("downgrade", None)):
        for index in range(2):
            old = workers[index]
            position = case.progress()
            case.fault(f"{name} of {old.name}")
            if old.stop(60) != 0:
                raise CaseFailed(f"{old.name} did not stop in order:\n{old.output[-2000:]}")
            workers[index] = case.worker(f"{old.name}-{name[:2]}", cwd=cwd)
            case.recovered(60 * case.patience)
            case.progress(position)
        case.wait(lambda: _both_wrote(case), "states of both releases on the changelog")
    for record in read_topic(case.bootstrap, case.changelog):
        if (record.key or b"").startswith(SCHEMA_PREFIX):
            learn((record.key or b"")[len(SCHEMA_PREFIX) :].decode(), record.value or b"")
    case.finish(dup_bound=0)


def _both_wrote(case: Case) -> bool:
    """States of either release are there, so that each had to read the other's."""
    own = single_object_header(account_codec().fingerprint)
    states = [
        record.value or b""
        for record in read_topic(case.bootstrap, case.changelog)
        if not (record.key or b"").startswith(b"\x00")
    ]
    other = sum(not value.startswith(own) for value in states)
    case.figure("states_of_next_release", other)
    return 0 < other < len(states)


ROW = Row(number=6, title="rolling upgrade and back", tier=Tier.ONE, run=run)
