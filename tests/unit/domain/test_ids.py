"""Ids never change between runs, versions and machines: consumers know decisions by them."""

from streams.domain.ids import event_hash, intervention_id, record_id, suppression_id

CAUSE = "relative:success:logins"


def test_ids_are_the_same_in_every_run() -> None:
    """Written down once; another value would double every decision that is replayed by a newer version."""
    assert intervention_id("acme", CAUSE, 1) == "601b5665-7e4d-511e-be48-8222774b6e4b"
    assert suppression_id("acme", CAUSE, 1) == "606c48fc-ba05-5848-8a38-64ed1b191998"
    assert event_hash("e1") == 1971835917959106308
    assert record_id("usage-events", 2, 17) == "usage-events/2/17"


def test_account_cause_and_number_make_the_id() -> None:
    """And a suppression is no intervention."""
    made = [
        name(account, cause, number)
        for name in (intervention_id, suppression_id)
        for account in ("acme", "globex")
        for cause in (CAUSE, "blocked:support:T-1")
        for number in (1, 2, 11)
    ]
    assert len(set(made)) == len(made)


def test_event_hash_fits_a_signed_long() -> None:
    """The stored state keeps it as an Avro long; both signs occur."""
    hashes = [event_hash(f"e{number}") for number in range(100)]
    assert -(1 << 63) <= min(hashes) < 0 < max(hashes) < 1 << 63
