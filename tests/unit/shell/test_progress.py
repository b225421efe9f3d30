"""When is a worker stuck? Never while anything moves that has to."""

from typing import Any

import pytest
from faust.types import TP

from streams import metrics
from streams.shell import progress
from streams.shell.progress import Offsets, Progress, Reached, View

STALL = 10.0
SETTLE = 20.0
USAGE = TP("usage", 3)
TICKETS = TP("tickets", 3)
OTHER = TP("usage", 4)


def _view(reached: dict[TP, Reached], **changed: Any) -> View:
    return View(**{"phase": 1, "working": False, "settled": True, "reached": reached, **changed})


STUCK = {
    progress.FETCH: (Reached(position=5, handed=4, empty=True, applied=4), Offsets(committed=5, end=9)),
    progress.ORDER: (Reached(position=9, handed=4, empty=False, applied=4), Offsets(committed=5, end=9)),
    progress.APPLY: (Reached(position=9, handed=8, empty=True, applied=4), Offsets(committed=5, end=9)),
    progress.COMMIT: (Reached(position=9, handed=8, empty=True, applied=8), Offsets(committed=5, end=9)),
}


def _watch(seconds: float, looks: Any, step: float = 1.0) -> str | None:
    """Stage of the first stall within so many seconds; `looks(now)` gives view and offsets."""
    judge = Progress(STALL, SETTLE)
    now = 0.0
    while now <= seconds:
        found = judge.judge(now, *looks(now))
        if found is not None:
            return found.stage
        now += step
    return None


def test_stages_have_a_series_each() -> None:
    assert metrics.STAGES == progress.STAGES


@pytest.mark.parametrize("stage", STUCK)
def test_a_stall_is_told_with_the_stage_at_which_records_wait(stage: str) -> None:
    reached, offsets = STUCK[stage]
    assert _watch(30, lambda _now: (_view({USAGE: reached}), {USAGE: offsets})) == stage


def test_the_reason_names_partition_topic_and_places() -> None:
    reached, offsets = STUCK[progress.APPLY]
    judge = Progress(STALL, SETTLE)
    judge.judge(0, _view({USAGE: reached}), {USAGE: offsets})
    found = judge.judge(11, _view({USAGE: reached}), {USAGE: offsets})
    assert found is not None
    for part in ("partition 3", "4 records wait", "11 s", "usage", "committed 5", "handed on to 9", "log ends at 9"):
        assert part in found.reason


def test_nothing_is_said_before_the_stall_timeout() -> None:
    reached, offsets = STUCK[progress.FETCH]
    assert _watch(STALL, lambda _now: (_view({USAGE: reached}), {USAGE: offsets})) is None


def test_a_worker_with_nothing_to_do_is_not_stuck() -> None:
    done = Reached(position=9, handed=8, empty=True, applied=8)
    assert _watch(1_000, lambda _now: (_view({USAGE: done}), {USAGE: Offsets(9, 9)})) is None


def test_markers_behind_the_last_record_do_not_wait_for_anybody() -> None:
    through = Reached(position=10, handed=8, empty=True, applied=8)
    assert _watch(1_000, lambda _now: (_view({USAGE: through}), {USAGE: Offsets(9, 10)})) is None


def test_slow_work_is_not_a_stall() -> None:
    def looks(now: float) -> Any:
        done = int(now // (STALL - 1))  # one record in nine seconds, while hundreds arrive
        return (
            _view({USAGE: Reached(position=900, handed=800, empty=False, applied=done - 1)}),
            {USAGE: Offsets(done, 1_000 + int(now) * 100)},
        )

    assert _watch(1_000, looks) is None


def test_one_partition_that_stands_still_is_found_among_others_that_move() -> None:
    reached, offsets = STUCK[progress.APPLY]

    def looks(now: float) -> Any:
        moving = int(now)
        return (
            _view({USAGE: reached, OTHER: Reached(moving + 5, moving, empty=False, applied=moving)}),
            {USAGE: offsets, OTHER: Offsets(moving, moving + 50)},
        )

    assert _watch(30, looks) == progress.APPLY


def test_a_topic_that_waits_for_another_of_its_partition_is_not_stuck() -> None:
    """Records are applied in the order of time: a backlog on one topic holds back newer records of another."""

    def looks(now: float) -> Any:
        moving = int(now)
        return (
            _view({USAGE: Reached(9, 4, empty=False, applied=4), TICKETS: Reached(moving, moving, True, moving)}),  # noqa: FBT003  as it stands in Reached
            {USAGE: Offsets(5, 9), TICKETS: Offsets(moving, 5_000)},
        )

    assert _watch(1_000, looks) is None


def test_applying_without_committing_is_a_stall() -> None:
    def looks(now: float) -> Any:
        applied = int(now) * 100
        return _view({USAGE: Reached(applied + 1, applied, True, applied)}), {USAGE: Offsets(0, applied + 50)}  # noqa: FBT003  as above

    assert _watch(30, looks) == progress.COMMIT


def test_a_checkpoint_that_writes_on_for_minutes_is_work() -> None:
    reached, offsets = STUCK[progress.COMMIT]
    assert (
        _watch(1_000, lambda now: (_view({USAGE: reached}, checkpoint=1.0, written=int(now)), {USAGE: offsets})) is None
    )


def test_a_checkpoint_that_writes_nothing_more_is_stuck() -> None:
    reached, offsets = STUCK[progress.COMMIT]
    looks = lambda now: (_view({USAGE: reached}, checkpoint=1.0, written=int(min(now, 5))), {USAGE: offsets})  # noqa: E731  shortest so
    assert _watch(60, looks) == progress.COMMIT


def test_checkpoints_that_end_without_a_commit_are_not_work() -> None:
    reached, offsets = STUCK[progress.COMMIT]
    looks = lambda now: (_view({USAGE: reached}, checkpoint=now // 2, written=int(now)), {USAGE: offsets})  # noqa: E731  shortest so
    assert _watch(60, looks) == progress.COMMIT


def test_a_recovery_keeps_its_own_time() -> None:
    assert _watch(1_000, lambda _now: (View(working=True), {})) is None


def test_a_group_that_never_settles_is_a_stall_after_its_members_had_their_time() -> None:
    assert _watch(STALL + SETTLE, lambda _now: (View(working=False), {})) is None
    assert _watch(STALL + SETTLE + 2, lambda _now: (View(working=False), {})) == progress.GROUP


def test_a_group_that_moves_on_is_waited_for() -> None:
    assert _watch(1_000, lambda now: (View(phase=int(now / 25), working=False), {})) is None


def test_a_new_assignment_has_the_whole_time() -> None:
    reached, offsets = STUCK[progress.FETCH]
    looks = lambda now: (_view({USAGE: reached}, phase=now // 9), {USAGE: offsets})  # noqa: E731  shortest so
    assert _watch(1_000, looks) is None


def test_after_a_rest_the_whole_time_begins_again() -> None:
    reached, offsets = STUCK[progress.FETCH]
    judge = Progress(STALL, SETTLE)
    for now in range(1_000):
        if now % 9 == 0:
            judge.rest()
        assert judge.judge(now, _view({USAGE: reached}), {USAGE: offsets}) is None


def test_owned_records_that_do_not_flow_are_seen() -> None:
    """Recovered, but the positions never came."""
    nothing = Reached(-1, -1, empty=True, applied=-1)
    assert _watch(30, lambda _now: (_view({USAGE: nothing}), {USAGE: Offsets(0, 4)})) == progress.FETCH
