"""The order of application is told completely, also when some records that told of it were never stored."""

from __future__ import annotations

from streams.shell.trace import Trace


def test_entries_are_told_once_by_accounts_and_again_by_the_partition() -> None:
    trace = Trace()
    trace.applied(2, 10)
    assert trace.header(1) == b"1|0|2:10"
    trace.applied(3, 7)
    assert trace.header(2) == b"2|1|3:7"
    assert trace.repeated(2) == b"2|0|2:10,3:7"


def test_confirmed_entries_are_not_told_again() -> None:
    trace = Trace()
    trace.applied(2, 10)
    trace.repeated(1)
    trace.applied(2, 11)
    trace.confirm()
    assert trace.repeated(2) == b"2|1|2:11"


def test_entries_of_a_state_that_was_not_sent_are_told_again() -> None:
    trace = Trace()
    trace.applied(2, 10)
    trace.header(1)
    trace.tell_again()
    assert trace.header(1) == b"1|0|2:10"


def test_confirmed_entries_are_not_told_again_either_when_a_state_was_not_sent() -> None:
    trace = Trace()
    trace.applied(2, 10)
    trace.repeated(1)
    trace.confirm()
    trace.applied(2, 11)
    trace.header(2)
    trace.tell_again()
    assert trace.header(2) == b"2|1|2:11"
