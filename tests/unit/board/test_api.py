"""The API over a view that was filled by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams import topics
from streams.board.follow import Follower
from streams.board.server import build
from streams.domain.time import DAY
from streams.settings import Settings
from tests.support.sample_outputs import START, health, outcome, samples, step, suppressed

HOSTILE = "<img src=x onerror=alert(1)>/../%2e\"'&?#\u202e"
Client = TestClient  # type: ignore[type-arg]


@pytest.fixture
def follower() -> Follower:
    """A follower that follows nothing: its view is filled here."""
    follower = Follower(Settings())
    follower.ready, follower.trouble = True, None
    return follower


@pytest.fixture
async def client(follower: Follower) -> AsyncIterator[Client]:
    """A client of the board over it."""
    async with TestClient(TestServer(build(follower))) as client:
        yield client


def fill(follower: Follower) -> None:
    """Two accounts with an open and a recovered episode."""
    first = step("acct-1", "opened", 0, START, START)
    second = step("acct-2", "opened", 0, START, START)
    for topic, account_id, record in (
        (topics.HEALTH, "acct-1", health("acct-1", START, 30.0)),
        (topics.HEALTH, "acct-2", health("acct-2", START, 90.0)),
        (topics.INTERVENTIONS, "acct-1", first),
        (topics.INTERVENTIONS, "acct-2", second),
        (topics.OUTCOMES, "acct-2", outcome(second, "confirmed", 1, START + 3 * DAY)),
        (topics.SUPPRESSED, "acct-1", suppressed("acct-1", "cooldown", START + DAY)),
    ):
        follower.view.apply(topic, account_id, record)


async def test_overview_of_nothing_is_complete_and_empty(client: Client) -> None:
    data = await (await client.get("/api/overview")).json()
    assert (data["urgent"], data["figures"]["open"], data["stream"]) == ([], 0, None)
    assert data["figures"]["back_on_track_share"] is None


async def test_overview_has_figures_urgent_episodes_and_both_clocks(client: Client, follower: Follower) -> None:
    fill(follower)
    data = await (await client.get("/api/overview")).json()
    assert [row["account_id"] for row in data["urgent"]] == ["acct-1"]
    assert data["urgent"][0]["urgency_share"] == 1.0
    assert data["figures"]["back_on_track_share"] == 1.0
    assert data["stream"] == "2026-03-05T08:00:00Z"
    assert data["wall_time"] > data["stream_time"]


async def test_elapsed_time_is_counted_in_stream_time_not_by_the_wall_clock(client: Client, follower: Follower) -> None:
    fill(follower)
    [row] = (await (await client.get("/api/overview")).json())["urgent"]
    assert row["open_for_ms"] == 3 * DAY + 30 * 3_600_000


async def test_account_has_health_history_episodes_and_story(client: Client, follower: Follower) -> None:
    fill(follower)
    data = await (await client.get("/api/accounts/acct-2")).json()
    assert data["health"]["score"] == 90.0
    assert data["history"] == [{"at": START, "score": 90.0, "band": "healthy"}]
    assert [record["topic"] for record in data["episodes_full"][0]["records"]] == [
        "interventions",
        "intervention-outcomes",
    ]
    assert [line["kind"] for line in data["story"]] == ["health", "opened", "outcome"]


async def test_suppressed_are_part_of_an_account(client: Client, follower: Follower) -> None:
    fill(follower)
    data = await (await client.get("/api/accounts/acct-1")).json()
    assert [record["reason"] for record in data["suppressed"]] == ["cooldown"]
    assert data["story"][-1]["kind"] == "waiting"


async def test_episodes_can_be_chosen_by_state_and_by_phase(client: Client, follower: Follower) -> None:
    fill(follower)
    for state, accounts in (
        ("open", ["acct-1"]),
        ("confirmed", ["acct-2"]),
        ("recovered", ["acct-2"]),
        ("expired", []),
    ):
        data = await (await client.get("/api/episodes", params={"state": state})).json()
        assert [row["account_id"] for row in data["episodes"]] == accounts
    assert (await (await client.get("/api/episodes?limit=1")).json())["total"] == 2


async def test_one_episode_is_answered_with_its_records_and_story(client: Client, follower: Follower) -> None:
    fill(follower)
    intervention_id = step("acct-1", "opened", 0, START, START)["intervention_id"]
    data = await (await client.get(f"/api/episodes/{intervention_id}")).json()
    assert (data["account_id"], data["prescribed"]["name"], len(data["records"])) == ("acct-1", "usage-drop", 1)


async def test_accounts_are_found_by_part_of_the_id_and_by_band_lowest_score_first(
    client: Client, follower: Follower
) -> None:
    fill(follower)
    everyone = await (await client.get("/api/accounts")).json()
    assert [row["account_id"] for row in everyone["accounts"]] == ["acct-1", "acct-2"]
    for query, found in (("q=CT-2", ["acct-2"]), ("band=critical", ["acct-1"]), ("q=ct&band=watch", [])):
        data = await (await client.get(f"/api/accounts?{query}")).json()
        assert [row["account_id"] for row in data["accounts"]] == found


async def test_a_hostile_account_id_is_an_id_like_any_other(client: Client, follower: Follower) -> None:
    follower.view.apply(topics.HEALTH, HOSTILE, health(HOSTILE, START, 31.0))
    response = await client.get(f"/api/accounts/{quote(HOSTILE, safe='')}")
    assert response.status == 200
    assert (await response.json())["account_id"] == HOSTILE
    assert response.content_type == "application/json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/accounts/nobody", 404),
        ("/api/episodes/none", 404),
        ("/api/episodes?limit=0", 400),
        ("/api/episodes?limit=501", 400),
        ("/api/episodes?limit=-1", 400),
        ("/api/accounts?limit=ten", 400),
        ("/api/accounts?limit=%C2%B2", 400),
        (f"/api/accounts?limit={'9' * 3000}", 400),
        (f"/api/accounts?q={'a' * 201}", 400),
        ("/api/unknown", 404),
        ("/../settings.py", 404),
        ("/app.py", 404),
    ],
)
async def test_a_wrong_request_is_refused_with_json_and_a_reason(client: Client, path: str, status: int) -> None:
    response = await client.get(path)
    assert response.status == status
    assert (await response.json())["error"]


async def test_a_request_line_of_absurd_length_is_refused(client: Client) -> None:
    assert (await client.get(f"/api/accounts?q={'a' * 50_000}")).status == 400


async def test_only_reading_is_allowed(client: Client) -> None:
    response = await client.post("/api/overview", data=b"x" * 10_000)
    assert response.status == 405
    assert response.headers["Allow"] == "GET,HEAD"
    assert (await response.json())["error"]


async def test_an_error_of_the_program_tells_the_client_nothing(client: Client, follower: Follower) -> None:
    follower.view.episodes["broken"] = None  # type: ignore[assignment]
    response = await client.get("/api/episodes/broken")
    assert (response.status, await response.json()) == (404, {"error": "there is no such episode"})
    response = await client.get("/api/episodes")
    assert (response.status, await response.json()) == (500, {"error": "internal error"})


async def test_ready_only_when_everything_was_read_and_says_why_not(client: Client, follower: Follower) -> None:
    assert (await client.get("/readyz")).status == 200
    follower.ready, follower.trouble = False, "no answer from Kafka"
    response = await client.get("/readyz")
    assert (response.status, await response.json()) == (503, {"ready": False, "trouble": "no answer from Kafka"})
    assert (await client.get("/livez")).status == 200


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/overview", "/api/accounts/nobody", "/nowhere"])
async def test_every_answer_forbids_what_the_page_does_not_need(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_figures_are_counted_once_for_many_pages(client: Client, follower: Follower) -> None:
    for topic, account_id, record in samples(accounts=10, days=30):
        follower.view.apply(topic, account_id, record)
    first = follower.counted()
    assert follower.counted()[0] is first[0]
    await client.get("/api/overview")
    assert follower.counted()[0] is first[0]
