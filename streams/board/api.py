"""The read API: JSON over HTTP, GET only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from streams import topics
from streams.board.follow import Follower
from streams.domain.time import format_duration, format_time
from streams.views import payloads
from streams.views.episode import EpisodeView
from streams.views.view import AccountView, View

FOLLOWER = web.AppKey("follower", Follower)
routes = web.RouteTableDef()

_MOST = 500
_USUAL = 50
_MOST_TEXT = 200


class ApiError(Exception):
    """An answer other than 200, with its reason as JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answer(payload: Any, status: int = 200) -> web.Response:
    """JSON that nobody caches."""
    return web.Response(
        body=orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@routes.get("/livez")
async def livez(_: web.Request) -> web.Response:
    """The process answers."""
    return answer({"live": True})


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """200 once everything that lay in the topics was read; 503 with the reason before."""
    follower = request.app[FOLLOWER]
    ready = follower.ready
    return answer({"ready": ready, "trouble": follower.trouble}, 200 if ready else 503)


@routes.get("/api/overview")
async def overview(request: web.Request) -> web.Response:
    """Figures over everything, and open episodes by urgency (`limit`, 50)."""
    follower = request.app[FOLLOWER]
    summary, urgent = follower.counted()
    return answer(payloads.overview(summary, urgent, _limit(request)) | clock(follower))


@routes.get("/api/episodes")
async def episodes(request: web.Request) -> web.Response:
    """Episodes, the newest first: `state` is a state or a phase (open, recovered, ended, held_out), `limit` (50)."""
    view = request.app[FOLLOWER].view
    state = _text(request, "state")
    wanted: Callable[[EpisodeView], bool] = lambda e: not state or state in {e.state, e.phase}  # noqa: E731  one use
    found = [episode for episode in view.episodes.values() if wanted(episode)]
    found.sort(key=lambda e: (-int(e.latest["at"]), e.intervention_id))
    rows = [payloads.episode_row(episode, view.stream_time) for episode in found[: _limit(request)]]
    return answer({"total": len(found), "episodes": rows} | clock(request.app[FOLLOWER]))


@routes.get("/api/episodes/{intervention_id}")
async def episode(request: web.Request) -> web.Response:
    """One episode with every record and its story."""
    view = request.app[FOLLOWER].view
    found = view.episodes.get(request.match_info["intervention_id"])
    if found is None:
        raise ApiError(404, "there is no such episode")
    return answer(payloads.episode_full(found, view.stream_time) | clock(request.app[FOLLOWER]))


@routes.get("/api/accounts")
async def accounts(request: web.Request) -> web.Response:
    """Accounts, the lowest score first: `q` is part of the id, `band` a band, `limit` (50)."""
    view = request.app[FOLLOWER].view
    found = _search(view, _text(request, "q").lower(), _text(request, "band"))
    rows = [payloads.account_row(account) for account in found[: _limit(request)]]
    return answer({"total": len(found), "accounts": rows} | clock(request.app[FOLLOWER]))


@routes.get("/api/accounts/{account_id}")
async def account(request: web.Request) -> web.Response:
    """Everything known of one account."""
    view = request.app[FOLLOWER].view
    found = view.accounts.get(request.match_info["account_id"])
    if found is None:
        raise ApiError(404, "there is no such account")
    return answer(payloads.account_full(found, view.stream_time) | clock(request.app[FOLLOWER]))


def clock(follower: Follower) -> dict[str, Any]:
    """Stream time, to which all elapsed times are counted, beside the wall clock; and how fresh the answer is."""
    view, wall = follower.view, time.time_ns() // 1_000_000
    return {
        "stream_time": view.stream_time,
        "stream": format_time(view.stream_time) if view.stream_time else None,
        "wall_time": wall,
        "wall": format_time(wall),
        "behind": format_duration(max(wall - view.stream_time, 0)) if view.stream_time else None,
        "ready": follower.ready,
        "trouble": follower.trouble,
        "taken": {topic: view.records[topic] for topic in topics.OUTPUTS},
        "unreadable": follower.unreadable,
        "duplicates": view.duplicates,
    }


def _search(view: View, part: str, band: str) -> list[AccountView]:
    found = [
        account
        for account in view.accounts.values()
        if (not part or part in account.account_id.lower()) and (not band or account.band == band)
    ]

    def order(account: AccountView) -> tuple[float, str]:
        score = account.health["score"] if account.health else None
        return (1_000.0 if score is None else float(score), account.account_id)

    return sorted(found, key=order)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(_USUAL))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MOST:
        raise ApiError(400, f"limit must be a whole number from 1 to {_MOST}")
    return int(text)


def _text(request: web.Request, name: str) -> str:
    text = request.query.get(name, "")
    if len(text) > _MOST_TEXT:
        raise ApiError(400, f"{name} may have at most {_MOST_TEXT} characters")
    return text
