"""Texts of the shipped playbooks, filled."""

import pytest

from streams.domain.episode import Episode
from streams.domain.finding import Evidence
from streams.domain.signal import SignalState
from streams.domain.time import DAY
from streams.interventions.prescribe import evidence_of, matching, prescribe_first
from streams.interventions.turn import Turn
from streams.policy.load import default_policy
from streams.policy.playbooks import PLACEHOLDERS, DimensionName, Kind, Playbook, placeholders
from tests.support.desk import START, Desk, finding, policy_with

POLICY = default_policy()
EPISODE = Episode(
    number=3,
    kind="relative",
    dimension="success",
    subject="feature_use",
    severity=0.7,
    text="Feature use fell.",
    evidence=[Evidence("logins", 12.0, START), Evidence("feature_use", 120.4, START, 301.0, "uses a day")],
    onset_at=START - 3 * DAY,
)


def turn(desk: Desk) -> Turn:
    """The desk's account, with everything known about it."""
    profile = desk.account.profile
    profile.goals = ["close the books in two days"]
    profile.owner, profile.segment, profile.stage, profile.value = "dana", "enterprise", "renewal", 120_000.0
    profile.renewal_at = START + 30 * DAY
    return Turn(desk.account, desk.partition, desk.now, desk._origin("usage-events"), desk.policy)


def test_all_documented_placeholders_have_a_value() -> None:
    """What a policy may name is exactly what can be filled."""
    values = evidence_of(turn(Desk()), EPISODE, POLICY.playbooks[0].ladder[0])
    assert set(values) == set(PLACEHOLDERS)
    assert all(values.values())


def test_figures_read_as_people_write_them() -> None:
    """The leading figure is the one that has a normal."""
    values = evidence_of(turn(Desk()), EPISODE, POLICY.playbooks[0].ladder[0])
    assert (values["value"], values["expected"], values["drop"], values["unit"]) == ("120", "301", "60", "uses a day")
    assert (values["worth"], values["onset"], values["open_for"]) == ("120,000", "2023-11-12", "3d")
    assert (values["direction"], values["finding"]) == ("below", "Feature use fell.")
    assert (values["subject"], values["renewal_in"], values["past_episodes"]) == ("feature use", "30d", "2")


@pytest.mark.parametrize("playbook", POLICY.playbooks, ids=lambda playbook: playbook.name)
def test_a_shipped_playbook_speaks_from_the_accounts_own_data(playbook: Playbook) -> None:
    """Where all is known nothing stays generic, and every executive text names the account or where it stands."""
    values = evidence_of(turn(Desk()), EPISODE, playbook.ladder[0])
    for step in playbook.ladder:
        for text in (step.for_user, step.for_executive):
            assert all(values[name] for name in placeholders(text))
        assert placeholders(step.for_executive)


@pytest.mark.parametrize("kind", Kind.__args__)  # type: ignore[attr-defined]
@pytest.mark.parametrize("dimension", DimensionName.__args__)  # type: ignore[attr-defined]
def test_every_drop_has_a_shipped_playbook(kind: str, dimension: str) -> None:
    """Nothing that can be found is left without a prescribed step."""
    drop = finding(kind=kind, dimension=dimension, severity=0.0)
    assert matching(POLICY, Desk().account, drop, past=0) is not None


def test_the_hold_time_of_a_weekly_metric_comes_on_top_of_the_deadline() -> None:
    """Three weeks that must be back cannot be verified in two."""
    desk = Desk()
    now = turn(desk)
    episode = Episode(number=1, kind="relative", dimension="success", subject="lines", severity=0.7)
    prescribe_first(now, episode)
    plain = episode.verify_by
    desk.account.signals.metrics["lines"] = SignalState()
    prescribe_first(now, episode)
    assert episode.verify_by is not None
    assert plain is not None
    assert episode.verify_by - plain == 21 * DAY


def test_history_selects_the_playbook() -> None:
    """The account's past episodes are a condition."""
    rules = policy_with(
        "playbooks:\n"
        + "".join(
            f"  - name: {name}\n    match: {match}\n    ladder:\n"
            "      - {action: a, channel: c, for_user: u, for_executive: e, success: s,"
            " authority: {actor: a, action: b}, deadlines: {ack: 1h, act: 1h, verify: 1h}}\n"
            "    fallback: {for_user: u, for_executive: e}\n"
            for name, match in (("again", "{min_past_episodes: 2}"), ("first", "{relapsed: false}"), ("rest", "{}"))
        )
    )
    account = Desk().account
    names = [
        matching(rules, account, finding(), past=past, relapses=relapses) for past, relapses in ((2, 0), (1, 0), (1, 1))
    ]
    assert [one.name for one in names if one] == ["again", "first", "rest"]
