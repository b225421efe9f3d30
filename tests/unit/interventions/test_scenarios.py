"""Whole histories through the whole fold: from usage events to the end of the episode."""

from __future__ import annotations

from typing import Any

from streams import topics
from streams.domain.account import AccountState
from streams.domain.outputs import Output
from streams.domain.partition import PartitionState
from streams.domain.time import DAY, HOUR
from streams.partition import PartitionFold
from streams.policy.load import default_policy, load_policy
from tests.support.desk import START, encode

NORMAL = (48, 52, 50, 47, 53, 51, 49)
MIDNIGHT = START - START % DAY
TICK = {"kind": "tick", "at": 0, "policy_version": None, "policy": None, "switch": None, "on": None, "source": ""}


class World:
    """A partition into which days of use are fed."""

    def __init__(self) -> None:
        self.accounts: dict[str, AccountState] = {}
        self.fold = PartitionFold(
            PartitionState(0), self.accounts, default_policy(), lambda text: load_policy(text, "control")
        )
        self.day = 0
        self._count = 0

    def feed(self, topic: str, time: int, **event: Any) -> None:
        """One record."""
        self._count += 1
        common = {"event_id": f"e-{self._count}", "occurred_at": time, "source": "", "cohort": None}
        self.fold.apply(topic, self._count, time, {**common, "traceparent": None, **event})

    def use(self, days: int, share: float = 1.0, accounts: tuple[str, ...] = ("acme",)) -> list[Output]:
        """Days in which the accounts use `share` of what is normal for them; what was put out meanwhile."""
        for _ in range(days):
            for hour in (9, 13, 17):
                time = MIDNIGHT + self.day * DAY + hour * HOUR
                value = float(round(NORMAL[self.day % 7] * share / 3))
                for account_id in accounts:
                    self.feed(topics.USAGE, time, account_id=account_id, metric="logins", value=value, unit="")
            self.day += 1
        return self.taken()

    def rest(self, days: int) -> list[Output]:
        """Days in which nothing comes in at all but time."""
        for _ in range(days):
            self.day += 1
            self._count += 1
            self.fold.apply(topics.CONTROL, self._count, MIDNIGHT + self.day * DAY, TICK)
        return self.taken()

    def taken(self) -> list[Output]:
        """Outputs since the last call, each held against its schema."""
        outputs, self.fold.outputs = self.fold.outputs, []
        for output in outputs:
            encode(output)
        return outputs


def records(outputs: list[Output], topic: str) -> list[dict[str, Any]]:
    """What was put out on a topic."""
    return [output.record for output in outputs if output.topic == topic]


def test_a_fall_of_use_raises_one_intervention_before_any_ticket() -> None:
    """60 % less for some days: one intervention, with contributions, a prescription and own evidence."""
    world = World()
    assert world.use(42) == []
    (opened,) = records(world.use(8, share=0.4), topics.INTERVENTIONS)[:1]
    assert opened["state"] == "opened"
    assert opened["cause"]["dimension"] == "success"
    assert opened["onset_at"] == MIDNIGHT + 42 * DAY
    assert opened["opened_at"] <= MIDNIGHT + 47 * DAY
    leading = next(one for one in opened["evidence"] if one["expected"] is not None)
    assert leading["value"] < 0.5 * leading["expected"]
    assert sum(one["points"] for one in opened["contributions"]) < 0
    assert opened["playbook"]["generic"] is False
    assert len(world.accounts["acme"].episodes) == 1


def test_a_second_fall_within_the_follow_up_window_is_a_relapse() -> None:
    """The same episode, reopened; it recovers again and is confirmed only when that holds."""
    world = World()
    world.use(42)
    (first,) = {one["intervention_id"] for one in records(world.use(8, share=0.4), topics.INTERVENTIONS)}
    recovered = records(world.use(6), topics.OUTCOMES)
    assert [one["outcome"] for one in recovered] == ["back_on_track"]
    assert recovered[0]["recovered_at"] == MIDNIGHT + 50 * DAY
    relapsed = records(world.use(8, share=0.3), topics.OUTCOMES)
    assert [(one["outcome"], one["intervention_id"]) for one in relapsed] == [("relapsed", first)]
    again = records(world.use(25), topics.OUTCOMES)
    assert [(one["outcome"], one["relapses"]) for one in again] == [("back_on_track", 1), ("confirmed", 1)]


def test_a_feed_that_stops_for_everyone_raises_nothing() -> None:
    """A broken source is no customer in trouble."""
    world = World()
    everyone = tuple(f"account-{number}" for number in range(20))
    world.use(42, accounts=everyone)
    world.taken()
    assert records(world.rest(20), topics.INTERVENTIONS) == []
    assert world.fold.tallies[topics.USAGE, "feed_silent"] == 1
