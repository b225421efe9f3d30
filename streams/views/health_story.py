"""Why a score is what it is, in sentences, from the health row alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.views.steps import contributions, shows
from streams.views.view import Point
from streams.views.words import BANDS, listed, moment, percent, say, sentence

# Points a week; less is noise to a reader.
_MOVING = 1.0


def health_sentences(row: dict[str, Any] | None) -> list[str]:
    """Score, trend, dimensions, what changed it, what is not known."""
    if row is None:
        return ["Nothing is known about its health yet."]
    band, score = say(BANDS, row["band"]), row["score"]
    if score is None:
        texts = [f"Health is unknown at {moment(row['as_of'])}: there is not enough fresh evidence."]
    else:
        sure = f"with {percent(row['confidence'])} confidence, at {moment(row['as_of'])}"
        texts = [f"Health is {score:.0f} of 100, {band}, {sure}."]
        if abs(row["trend"]) >= _MOVING:
            way = "rising" if row["trend"] > 0 else "falling"
            texts.append(f"It is {way} by {abs(row['trend']):.0f} points a week.")
    known = [d for d in row["dimensions"] if d["score"] is not None]
    unknown = [d["name"] for d in row["dimensions"] if d["score"] is None]
    if known:
        known.sort(key=lambda d: d["score"])
        areas = [f"{d['name']} {d['score']:.0f}" for d in known]
        texts.append(sentence(f"By area: {listed(areas)}"))
    if unknown:
        texts.append(f"Nothing is known yet about {listed(unknown)}.")
    texts += _change(row)
    if not row["covered"]:
        texts.append("No profile of this account is known.")
    return texts


def _change(row: dict[str, Any]) -> list[str]:
    texts = []
    since = row["since_band_change"]
    if any(shows(addend["points"]) for addend in since):
        moved = sum(addend["points"] for addend in since)
        texts.append(f"Since the band last changed it moved by {moved:+.1f} points: {contributions(since, 4)}.")
    if any(shows(addend["points"]) for addend in row["last_change"]):
        texts.append(f"The last change: {contributions(row['last_change'], 3)}.")
    return texts


def history_lines(history: Sequence[Point]) -> list[tuple[int, str]]:
    """When the band changed: time in ms and a sentence each."""
    lines: list[tuple[int, str]] = []
    for index, point in enumerate(history):
        if index and history[index - 1].band == point.band:
            continue
        score = "unknown" if point.score is None else f"{point.score:.0f}"
        if not index:
            text = f"Health first seen: {score}, {say(BANDS, point.band)}."
            if point.score is None:
                text = "First seen; its health is not known yet."
        else:
            text = f"Health went from {say(BANDS, history[index - 1].band)} to {say(BANDS, point.band)}"
            text += "." if point.score is None else f", at {score}."
        lines.append((point.at, text))
    return lines
