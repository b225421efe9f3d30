"""Counts of past silences: how many accounts fell silent in which week, and after how long they came back.

Every silence is looked at from outside at calendar marks, every four weeks from the first session of the partition.
Nothing is written at a mark: a member of the panel (`health/panel.py`) is counted in the week of its newest session and
moved when the next one begins, so that the counts always tell how many are silent since when, and how many marks each
return came after. A session costs one move a week at most.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp, inf, log

from streams.domain.dormancy import Dormancy, Silences, SilentWeek
from streams.domain.panel import Member
from streams.domain.partition import PartitionState
from streams.domain.signal import Rhythm
from streams.domain.time import WEEK, start_of

MARK = 4
"""Weeks between marks."""
KEPT = 104
"""Weeks of silence, and of the past, that are kept: what is older teaches nothing about customers of today."""
_SEGMENTS = 16
"""Segments that are told apart in a partition; the accounts of further ones are counted together, as `""`."""
_FROM = (1, 2, 3, 5, 9, 17, 41)
"""Least number of repeat sessions of each class of activity but the first, which has none."""
_PACES = 8
_FASTEST = -3
"""Classes of the usual gap: 2^-3 weeks (about a day) to 2^4 weeks (four months)."""
CELLS = 1 + len(_FROM) * _PACES
_MONDAY = start_of(WEEK, 0)


def cell_of(rhythm: Rhythm) -> int:
    """Class of activity and pace together, 0 for an account that was seen once."""
    repeats = rhythm.repeats
    if not repeats:
        return 0
    pace = min(_PACES - 1, max(0, round(_log_usual(rhythm) / log(2)) - _FASTEST))
    return 1 + (bisect_right(_FROM, repeats) - 1) * _PACES + pace


def log_activity(rhythm: Rhythm) -> float:
    """ln(1 + x) for x repeat sessions; beyond the last class more of them say nothing more."""
    return log(1.0 + min(rhythm.repeats, _FROM[-1]))


def log_missed(rhythm: Rhythm, weeks: float) -> float:
    """ln(1 + m) for a silence of m times the usual gap; 0 while there is no usual gap."""
    return log(1.0 + weeks * exp(-_log_usual(rhythm))) if rhythm.repeats else 0.0


def _log_usual(rhythm: Rhythm) -> float:
    """Ln of the median gap in weeks; of the mean gap when none was learnt."""
    usual = rhythm.mean if rhythm.n else log(max(1, (rhythm.last_at - rhythm.first_at) / rhythm.repeats))
    return min(_PACES - 1 + _FASTEST, max(_FASTEST, (usual - log(WEEK)) / log(2))) * log(2)


def of_cell(cell: int) -> tuple[float, float]:
    """ln(1 + x) and the usual gap in weeks of a cell, infinite for the first, as they are in its middle."""
    if not cell:
        return 0.0, inf
    activity, pace = divmod(cell - 1, _PACES)
    low = _FROM[activity]
    high = _FROM[activity + 1] - 1 if activity + 1 < len(_FROM) else low
    return sum(log(1.0 + x) for x in range(low, high + 1)) / (high + 1 - low), 2.0 ** (pace + _FASTEST)


def week_of(at: int) -> int:
    """Number of the week, from Monday, that holds `at`."""
    return (at - _MONDAY) // WEEK


def mark_of(known: Dormancy, at: int) -> int:
    """Number of the newest mark at `at`, counted from the anchor."""
    return (week_of(at) - known.anchor) // MARK


def mark_at(known: Dormancy, mark: int) -> int:
    """The moment of a mark, ms."""
    return (known.anchor + mark * MARK) * WEEK + _MONDAY


def session(partition: PartitionState, member: Member, at: int, *, judged: bool) -> None:
    """A session of a member of the panel has begun at `at`: its rhythm is up to date already.

    With `judged` false it is only moved: the silence of the feed lay in its own.
    """
    week, segment, cell = week_of(at), member.segment, cell_of(member.rhythm)
    if member.week == week and member.counted_as == segment and member.cell == cell:
        return
    known = partition.dormancy
    if known.anchor < 0:
        known.anchor = week
        known.due_at = mark_at(known, 1)
    if member.week >= 0:
        _leave(known, member, week if judged else member.week)
    of_segment = known.segments.get(segment)
    if of_segment is None:
        if len(known.segments) >= _SEGMENTS:
            segment = ""
        of_segment = known.segments.setdefault(segment, Silences(first=week))
    silent = _week(of_segment, week).silent
    if cell >= len(silent):
        silent += [0] * (cell + 1 - len(silent))
    silent[cell] += 1
    member.week, member.counted_as, member.cell = week, segment, cell


def forget(partition: PartitionState, member: Member) -> None:
    """Takes a member that leaves the panel out of the counts of the silent ones."""
    if member.week >= 0:
        _leave(partition.dormancy, member, member.week)


def thin(known: Dormancy) -> None:
    """A quarter of the panel has left: what was learnt from its returns counts by so much less, in sum exactly."""
    for of_segment in known.segments.values():
        odd = 0
        for week in of_segment.weeks:
            for place, count in enumerate(week.returned):
                week.returned[place], odd = divmod(3 * count + odd, 4)


def _leave(known: Dormancy, member: Member, week: int) -> None:
    """The silence of the member has ended in `week`."""
    of_segment = known.segments[member.counted_as]
    if member.week < of_segment.first:
        return  # its week is no longer kept
    since = of_segment.weeks[member.week - of_segment.first]
    since.silent[member.cell] -= 1
    marks = (week - known.anchor) // MARK - (member.week - known.anchor) // MARK
    if marks > 0:
        place = (min(marks, KEPT // MARK) - 1) * CELLS + member.cell
        returned = since.returned
        if place >= len(returned):
            returned += [0] * (place + 1 - len(returned))
        returned[place] += 1


def _week(of_segment: Silences, week: int) -> SilentWeek:
    """The counts of a week, the newest one as a rule; the oldest ones make room."""
    weeks = of_segment.weeks
    if week - of_segment.first >= len(weeks) + KEPT:
        weeks.clear()
        of_segment.first = week
    while week < of_segment.first:  # a late event of the week before
        weeks.insert(0, SilentWeek())
        of_segment.first -= 1
    while week - of_segment.first >= len(weeks):
        weeks.append(SilentWeek())
    extra = len(weeks) - KEPT
    if extra > 0:
        del weeks[:extra]
        of_segment.first += extra
    return weeks[week - of_segment.first]
