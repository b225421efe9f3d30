"""The worked example in `docs/health.md`, computed anew from the numbers that stand on the page."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest

from streams.domain.account import AccountState
from streams.domain.health import HealthState
from streams.domain.outputs import Origin
from streams.domain.partition import PartitionState
from streams.domain.signal import SignalState, TicketState, Utterance
from streams.domain.time import DAY
from streams.health import bands, contributions, level, score
from streams.policy.load import default_policy
from streams.policy.signals import metric_policy
from tests.support.history import MONDAY

PAGE = Path(__file__).parents[3] / "docs" / "health.md"
POLICY = default_policy()
FIRST, SECOND = MONDAY, MONDAY + 7 * DAY
Table = list[dict[str, str]]


def tables() -> dict[str, Table]:
    """The tables of the page, by the heading of their first column; rows by heading."""
    found: dict[str, Table] = {}
    header: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            header = []
            continue
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if not header:
            header = cells
            assert header[0] not in found, "two tables begin with the same heading"
            found[header[0]] = []
        elif not set(line) <= set("|-: "):
            found[header[0]].append(dict(zip(header, cells, strict=True)))
    return found


TABLES = tables()


def number(cell: str) -> float:
    """A number of the page; a minus sign may be typographic."""
    return float(cell.replace("\N{MINUS SIGN}", "-").removesuffix(" %"))


def same(cell: str, value: float) -> bool:
    """True when the page shows the value, to the decimals it is shown with."""
    decimals = len(cell.partition(".")[2])
    return f"{value:.{decimals}f}" == f"{number(cell):.{decimals}f}"


def signal(row: dict[str, str], column: str, at: int, periods: int) -> SignalState:
    """A daily metric as the page gives it, `periods` days learnt, the newest five as in the column."""
    name = row["metric"]
    usual, newest = sqrt(number(row["normal a day"])), sqrt(number(row[column]))
    state = SignalState(n=periods, level=usual, unit=usual, noise=number(row["noise"]), event_id=f"{name}-event")
    state.ys, state.fs = [newest] * 5, [1.0] * 5
    state.ats = [at - (5 - day) * DAY for day in range(5)]
    level.refresh(state, metric_policy(POLICY.metrics, name))
    return state


def looked_at() -> tuple[HealthState, HealthState, AccountState]:
    """Health at the two looks of the page, and the account at the second one."""
    account, partition = AccountState("a"), PartitionState(0)
    signals = account.signals
    words = [
        Utterance(SECOND - round(number(row["said"]) * DAY), row["channel"], number(row["score"]),
                  number(row["normal of the channel"]), f"word-{index}")
        for index, row in enumerate(TABLES["said"])
    ]  # fmt: skip
    made = []
    for at, column, moment in ((FIRST, "newest days, look 1", 0), (SECOND, "newest days, look 2", 7)):
        for row in TABLES["metric"]:
            signals.metrics[row["metric"]] = signal(row, column, at, int(row["days learnt"]) + moment)
        signals.utterances = [word for word in words if word.at <= at]
        for row in TABLES["ticket"]:
            opened = SECOND - round(number(row["open for"]) * DAY)
            if opened <= at:
                signals.tickets[row["ticket"]] = TicketState(
                    opened, opened, priority=row["priority"], area=row["area"], event_id=f"{row['ticket']}-event"
                )
        why = score.Change("example", None if moment else "first", at, Origin("t", 0, moment))
        assert score.refresh(account, partition, at, POLICY, why)
        health = account.health
        made.append(
            HealthState(
                score=health.score, confidence=health.confidence, band=health.band, trend=health.trend,
                dimensions=health.dimensions, last_change=health.last_change,
            )
        )  # fmt: skip
    return made[0], made[1], account


ONE, TWO, ACCOUNT = looked_at()
LOOKS = {"1": ONE, "2": TWO}


def test_the_parts_are_as_the_page_says() -> None:
    """Score, confidence and weight of each signal at each look, and no part is left out."""
    shown = TABLES["part"]
    for row in shown:
        part = LOOKS[row["look"]].dimensions[row["dimension"]].parts[row["part"]]
        assert same(row["its score"], part.score), row
        assert same(row["its confidence"], part.confidence), row
        assert same(row["its weight"], part.weight), row
    assert len(shown) == sum(len(d.parts) for health in LOOKS.values() for d in health.dimensions.values())


def test_the_dimensions_are_as_the_page_says() -> None:
    """Weight of the policy, score, confidence and share of each, known or not."""
    for row in TABLES["dimension"]:
        health = LOOKS[row["look"]]
        state = health.dimensions[row["dimension"]]
        assert same(row["policy's weight"], state.weight), row
        assert same(row["confidence"], state.confidence), row
        if state.score is None:
            assert (row["score"], row["share"]) == ("unknown", "0")
        else:
            assert same(row["score"], state.score), row
            assert same(row["share"], contributions.shares(health.dimensions)[row["dimension"]][0]), row
    assert len(TABLES["dimension"]) == 10


def test_score_band_confidence_and_trend_are_as_the_page_says() -> None:
    """At both looks."""
    for row in TABLES["look"]:
        health = LOOKS[row["look"]]
        assert health.score is not None
        assert same(row["score"], health.score), row
        assert same(row["confidence"], health.confidence), row
        assert same(row["trend"], health.trend), row
        assert row["band"] == health.band


def test_the_contributions_are_as_the_page_says() -> None:
    """All of them; what the page shows sums to the change that it shows."""
    shown = {(row["of"], row["addend"]): row["points"] for row in TABLES["of"]}
    total = shown.pop(("sum", ""))
    made = {(c.dimension, c.name): c.points for c in TWO.last_change}
    assert shown.keys() == made.keys()
    for key, points in made.items():
        assert same(shown[key], points), key
    assert ONE.score is not None
    assert TWO.score is not None
    assert sum(made.values()) == pytest.approx(TWO.score - ONE.score, abs=1e-9)
    assert same(total, TWO.score - ONE.score)
    assert sum(number(points) for points in shown.values()) == pytest.approx(number(total), abs=0.02)


def test_the_bands_are_as_the_page_says() -> None:
    """Which band a score leads to, by the band before."""
    for row in TABLES["band before"]:
        value = None if row["new score"] == "unknown" else number(row["new score"])
        assert bands.band(value, row["band before"], POLICY.health.bands) == row["band after"], row
    assert len(TABLES["band before"]) > 5


def test_the_weights_and_edges_are_those_of_the_shipped_policy() -> None:
    """The page names them; the policy has them."""
    for row in TABLES["account"]:
        weights = POLICY.health.weights_for(row["segment"], row["stage"])
        for name, weight in weights.items():
            assert same(row[name], weight), (row, name)
    edges = {row["band"]: row["from"] for row in TABLES["band"]}
    shipped = dict(zip(bands.ORDER, bands.floors(POLICY.health.bands), strict=True))
    assert {name: number(edge) for name, edge in edges.items() if name != "unknown"} == shipped


def test_each_field_of_a_health_row_is_explained() -> None:
    """One line for each, and none for a field that is gone."""
    assert [row["field"] for row in TABLES["field"]] == list(score.row(ACCOUNT, POLICY))
