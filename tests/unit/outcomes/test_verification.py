"""When a drop is over, and how that is known."""

from streams.domain.finding import Finding
from streams.domain.time import DAY, HOUR, MINUTE
from streams.outcomes.verification import NEW_NORMAL, NOT_YET, Verdict, recovered, verdict
from tests.support.history import MONDAY, History, daily


def judge(history: History, finding: Finding, since: int | None = None) -> Verdict:
    """The verdict on a finding at the present moment."""
    return verdict(
        history.account, history.partition, finding.kind, finding.dimension, finding.subject, finding.baseline,
        finding.onset_at, finding.at if since is None else since, history.partition.stream_time, history.policy,
    )  # fmt: skip


def fallen(days: int = 10, level: float = 30.0) -> tuple[History, Finding]:
    """Forty days at 100, then `days` at `level`, and the drop found in them."""
    history = History()
    for day in range(40 + days):
        daily(history, day, 100.0 if day < 40 else level)
    return history, next(f for _, f in history.findings if f.kind == "relative")


def alive(history: History, days: range) -> None:
    """A neighbour that keeps the usage feed alive."""
    for day in days:
        history.usage(MONDAY + day * DAY + 20 * HOUR, 10.0, name="other")


def test_a_drop_that_goes_on_is_not_over() -> None:
    """Low as ever."""
    history, finding = fallen()
    assert judge(history, finding) == NOT_YET


def test_three_days_back_at_normal_are_a_recovery_dated_to_the_first() -> None:
    """Not before the third has closed."""
    history, finding = fallen()
    verdicts = []
    for day in range(50, 55):
        daily(history, day, 95.0)
        verdicts.append(judge(history, finding))
    assert verdicts[:3] == [NOT_YET] * 3
    assert verdicts[3] == recovered(MONDAY + 50 * DAY)


def test_one_good_day_is_no_recovery() -> None:
    """A spike and back."""
    history, finding = fallen()
    for day in range(50, 58):
        daily(history, day, 120.0 if day == 52 else 30.0)
    assert judge(history, finding) == NOT_YET


def test_half_of_the_way_back_is_no_recovery() -> None:
    """Sixty percent of the frozen baseline, however long."""
    history, finding = fallen()
    for day in range(50, 70):
        daily(history, day, 60.0)
    assert judge(history, finding) == NOT_YET


def test_a_lower_level_that_lasts_is_the_new_normal_and_never_a_recovery() -> None:
    """After six weeks."""
    history, finding = fallen()
    seen = set()
    for day in range(50, 100):
        daily(history, day, 45.0)
        seen.add(judge(history, finding).outcome)
    assert judge(history, finding) == NEW_NORMAL
    assert "recovered" not in seen


def test_no_use_at_all_is_no_normal() -> None:
    """A customer who is gone does not end an episode well."""
    history, finding = fallen()
    alive(history, range(50, 120))
    assert judge(history, finding) == NOT_YET


def test_days_before_the_relapse_prove_nothing() -> None:
    """Only evidence after `since` counts."""
    history, finding = fallen()
    for day in range(50, 55):
        daily(history, day, 95.0)
    for day in range(55, 57):
        daily(history, day, 30.0)
    assert judge(history, finding, since=MONDAY + 55 * DAY) == NOT_YET


def test_a_recovery_ends_with_the_baseline_that_was_frozen_not_with_a_lower_one() -> None:
    """Though the account's normal has moved down since."""
    history, finding = fallen()
    for day in range(50, 95):
        daily(history, day, 30.0)
    for day in range(95, 100):
        daily(history, day, 50.0)
    assert judge(history, finding).outcome != "recovered"


def silent() -> tuple[History, Finding]:
    """A daily customer who stays away from day 40 to day 55, before its weekly spend can be judged."""
    history = History()
    for day in range(40):
        daily(history, day, 20.0, "spend")
        alive(history, range(day, day + 1))
    alive(history, range(40, 55))
    return history, next(f for _, f in history.findings if f.kind == "silence")


def test_use_that_resumes_and_goes_on_ends_a_silence() -> None:
    """Dated to the first day back, after a week of it."""
    history, finding = silent()
    for day in range(55, 61):
        daily(history, day, 20.0)
    assert judge(history, finding) == NOT_YET
    for day in range(61, 64):
        daily(history, day, 20.0)
    assert judge(history, finding) == recovered(MONDAY + 55 * DAY + 8 * HOUR)


def test_a_single_visit_does_not_end_a_silence() -> None:
    """Seen once, then away."""
    history, finding = silent()
    history.usage(MONDAY + 55 * DAY + 21 * HOUR, 1.0)
    alive(history, range(56, 70))
    assert judge(history, finding) == NOT_YET


def test_a_silent_start_ends_when_first_use_has_held() -> None:
    """A week after the first login."""
    history = History()
    history.commercial(MONDAY, "created")
    alive(history, range(20))
    finding = history.findings[0][1]
    for day in range(20, 29):
        daily(history, day, 4.0)
    assert judge(history, finding) == recovered(MONDAY + 20 * DAY + 8 * HOUR)


def blocked() -> tuple[History, Finding]:
    """An urgent ticket of two days."""
    history = History()
    history.ticket(MONDAY, "opened")
    history.pass_to(MONDAY + 2 * DAY)
    return history, history.findings[0][1]


def test_a_resolved_ticket_must_stay_resolved() -> None:
    """Two days, then it counts from its resolution."""
    history, finding = blocked()
    history.ticket(MONDAY + 2 * DAY, "resolved", actor="agent")
    history.pass_to(MONDAY + 3 * DAY)
    assert judge(history, finding) == NOT_YET
    history.pass_to(MONDAY + 4 * DAY)
    assert judge(history, finding) == recovered(MONDAY + 2 * DAY)


def test_a_reopened_ticket_is_not_over() -> None:
    """Closed in haste."""
    history, finding = blocked()
    history.ticket(MONDAY + 2 * DAY, "closed", actor="agent")
    history.ticket(MONDAY + 3 * DAY, "reopened")
    history.pass_to(MONDAY + 9 * DAY)
    assert judge(history, finding) == NOT_YET


def angry() -> tuple[History, Finding]:
    """A customer who usually sounds friendly loses its temper in a chat."""
    history = History()
    for day in range(20):
        history.say(MONDAY + day * DAY, 0.4, channel="chat")
    for i, value in enumerate((0.4, 0.3, -0.7, -0.9)):
        history.say(MONDAY + 20 * DAY + i * MINUTE, value, channel="chat", interaction_id="c")
    return history, history.findings[0][1]


def test_a_later_mood_at_the_channels_own_normal_ends_a_frustration() -> None:
    """Three utterances of substance."""
    history, finding = angry()
    history.say(MONDAY + 21 * DAY, 0.5, channel="chat")
    history.say(MONDAY + 22 * DAY, 0.4, channel="chat")
    assert judge(history, finding) == NOT_YET
    history.say(MONDAY + 23 * DAY, 0.4, channel="chat")
    assert judge(history, finding) == recovered(MONDAY + 21 * DAY)


def test_weeks_of_anger_do_not_become_a_normal_that_ends_a_frustration() -> None:
    """The newest words are less angry than the weeks before them, and angry still."""
    history, finding = angry()
    for day in range(21, 121):
        history.say(MONDAY + day * DAY, -0.6, channel="chat")
    for day in range(121, 126):
        history.say(MONDAY + day * DAY, -0.3, channel="chat")
    assert judge(history, finding) == NOT_YET


def test_a_polite_word_does_not_end_a_frustration() -> None:
    """Thanks, thanks."""

    class Kind:
        name = "kind"

        def score(self, text: str) -> float:
            return 0.8 if text else 0.0

    history, finding = angry()
    history.scorer = Kind()
    for day in (21, 22, 23):
        history.say(MONDAY + day * DAY, None, text="ok thanks", channel="chat")
    assert judge(history, finding) == NOT_YET


def test_calm_for_two_weeks_ends_a_frustration_only_with_no_ticket_open() -> None:
    """Silence with an open ticket is waiting."""
    history, finding = angry()
    for day in range(21, 41):
        history.say(MONDAY + day * DAY, 0.1, "other")
    last = MONDAY + 20 * DAY + 3 * MINUTE
    assert judge(history, finding) == recovered(last)
    history, finding = angry()
    history.ticket(MONDAY + 21 * DAY, "opened", priority="low")
    for day in range(21, 61):
        history.say(MONDAY + day * DAY, 0.1, "other")
    assert judge(history, finding) == NOT_YET


def test_an_intent_to_cancel_ends_with_a_renewal() -> None:
    """And stands again when it is taken back."""
    history = History()
    history.commercial(MONDAY, "cancel_intent")
    finding = history.findings[0][1]
    assert judge(history, finding) == NOT_YET
    history.commercial(MONDAY + DAY, "renewed")
    assert judge(history, finding) == recovered(MONDAY + DAY)
    history.commercial(MONDAY + 2 * DAY, "cancel_intent")
    assert judge(history, finding) == NOT_YET


def test_a_low_score_is_over_when_it_has_held_above_the_bound() -> None:
    """For three days, hysteresis included, dated to when it rose above it."""
    history = History()
    for day in range(40):
        daily(history, day, 50.0)
    for day in range(40, 50):
        daily(history, day, 5.0)
        history.say(MONDAY + day * DAY + 15 * HOUR, -0.9)
    finding = next(f for _, f in history.findings if f.kind == "threshold")
    assert judge(history, finding) == NOT_YET
    day = 50
    while "score" not in history.account.health.above:
        daily(history, day, 50.0)
        day += 1
    rose_at = history.account.health.above["score"]
    assert judge(history, finding) == NOT_YET
    for later in range(day, day + 4):
        daily(history, later, 50.0)
    assert judge(history, finding) == recovered(rose_at)


def test_a_forecast_is_not_over_while_the_decline_goes_on() -> None:
    """It is raised when most of the normal is still there; only a turn ends it."""
    history = History()
    for day in range(60):
        daily(history, day, 100.0 if day < 50 else 100.0 * 0.975 ** (day - 50))
    day = 60
    while "forecast" not in history.kinds():
        daily(history, day, 100.0 * 0.975 ** (day - 50))
        day += 1
    finding = next(f for _, f in history.findings if f.kind == "forecast")
    for later in range(day, day + 4):
        daily(history, later, 100.0 * 0.975 ** (later - 50))
        assert judge(history, finding) == NOT_YET
    for later in range(day + 4, day + 8):
        daily(history, later, 99.0)
    assert judge(history, finding) == recovered(MONDAY + (day + 4) * DAY)
