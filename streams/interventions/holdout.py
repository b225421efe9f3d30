"""Who stays untreated: a share of the accounts by a stable hash, so that what interventions cause can be measured."""

from __future__ import annotations

from hashlib import blake2b

from streams.domain.account import AccountState
from streams.interventions.turn import CANCEL_INTENT, Drop
from streams.policy.guardrails import Experiment

_RANGE = 1 << 64


def arm(account: AccountState, drop: Drop, experiment: Experiment) -> str:
    """`held_out`, `treated`, or `excluded` for what is never held out: an intent to cancel and the top tiers."""
    if drop.kind == CANCEL_INTENT or account.profile.tier in experiment.never_tiers:
        return "excluded"
    return "held_out" if position(account.account_id, experiment.salt) < experiment.holdout else "treated"


def position(account_id: str, salt: str) -> float:
    """Where the account lies in [0, 1): the same in every run, another for another salt."""
    digest = blake2b(f"{salt}\x00{account_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _RANGE
