"""An account's or an episode's story in plain sentences, from its output records alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.domain.time import format_duration, format_time
from streams.views.episode import EpisodeView
from streams.views.health_story import health_sentences, history_lines
from streams.views.steps import opening, outcome_text, step_text
from streams.views.view import AccountView
from streams.views.words import SUPPRESSED, moment, plain, say, sentence


@dataclass(slots=True, frozen=True)
class Line:
    """One thing that happened. `kind` is health, opened, step, outcome, suppressed or waiting; `at` in ms."""

    at: int
    kind: str
    text: str
    """What happened, one sentence."""
    details: tuple[str, ...] = ()
    """More sentences: evidence, what was prescribed, what was missing."""
    intervention_id: str | None = None

    def __str__(self) -> str:
        return f"{moment(self.at)}  {' '.join((self.text, *self.details))}"

    def record(self) -> dict[str, Any]:
        """As plain data, the time also as text."""
        return {
            "at": self.at,
            "time": format_time(self.at),
            "kind": self.kind,
            "text": self.text,
            "details": list(self.details),
            "intervention_id": self.intervention_id,
        }


def account_story(account: AccountView, now: int) -> list[Line]:
    """Everything that is known of an account, oldest first; `now` is the stream time up to which waiting is counted."""
    lines = [Line(at, "health", text) for at, text in history_lines(account.history)]
    for episode in account.episodes.values():
        lines += episode_story(episode, now)
    lines += [suppressed_line(record) for record in account.suppressed.values()]
    lines.sort(key=lambda line: line.at)
    return lines


def account_summary(account: AccountView, now: int) -> list[str]:
    """How the account stands now: health with its reasons, open episodes, what is not known."""
    texts = health_sentences(account.health)
    opened = [episode for episode in account.episodes.values() if episode.phase == "open"]
    for episode in sorted(opened, key=lambda episode: int(episode.latest["onset_at"])):
        texts.append(sentence(f"open for {_since(episode, now)}: {episode.latest['cause']['text']}"))
        if (waits := waiting(episode, now)) is not None:
            texts.append(waits)
    if not opened:
        texts.append("No open episodes.")
    return texts


def episode_story(episode: EpisodeView, now: int) -> list[Line]:
    """An episode from its first sign to its end, or to what it waits for."""
    lines: list[Line] = []
    previous: dict[str, Any] | None = None
    for _, record in episode.records():
        if "outcome" in record:
            kind, said = "outcome", outcome_text(record)
        elif previous is None:
            kind, said = "opened", opening(record)
        else:
            kind, said = "step", step_text(record, previous)
        lines.append(Line(int(record["at"]), kind, said[0], tuple(said[1:]), episode.intervention_id))
        if "outcome" not in record:
            previous = record
    if (waits := waiting(episode, now)) is not None:
        lines.append(Line(max(now, lines[-1].at), "waiting", waits, (), episode.intervention_id))
    return lines


def suppressed_line(record: dict[str, Any]) -> Line:
    """What was not fired, and why."""
    what = f"Not fired ({plain(record['playbook'])})" if record["playbook"] else "Not fired"
    details = [f"It was about: {sentence(record['cause']['text'])}"]
    if record["detail"]:
        details.append(sentence(record["detail"]))
    if record["until"] is not None:
        details.append(f"It is looked at again at {moment(record['until'])}.")
    text = f"{what}: {say(SUPPRESSED, record['reason'])}."
    return Line(int(record["at"]), "suppressed", text, tuple(details), record["intervention_id"])


def waiting(episode: EpisodeView, now: int) -> str | None:
    """What an unfinished episode waits for and until when; None for one that is over."""
    state, step = episode.state, episode.step or episode.latest
    if state == "held_out":
        return "It is watched without treatment, as part of the experiment."
    if state == "back_on_track":
        return "It waits for the follow-up window to pass: then the recovery is confirmed."
    if episode.phase != "open":
        return None
    what, due = _owed(episode)
    text = f"It waits for {what}"
    if due is not None:
        left = due - now
        text += f", due {moment(due)}"
        text += f" (in {format_duration(left)})" if left >= 0 else f" (overdue by {format_duration(-left)})"
    if state in {"acted", "verifying"} and (prescribed := episode.prescribed) is not None:
        text += f". Success means: {prescribed['playbook']['success']}"
    if episode.chases:
        text += f". The customer has chased {_times(int(step.get('chases') or episode.chases))}"
    return sentence(text)


def _owed(episode: EpisodeView) -> tuple[str, int | None]:
    """What is owed next, and its deadline in ms."""
    state, step = episode.state, episode.step or {}
    authority = step.get("authority")
    if state == "opened" and authority and authority["approval_needed"]:
        return "approval and an acknowledgement", step.get("ack_by")
    if state in {"acted", "verifying"}:
        return "verified recovery", step.get("verify_by")
    if state in {"owned", "acting"}:
        return "the prescribed step", step.get("act_by")
    if step.get("ack_by") is not None:
        return "an acknowledgement", step.get("ack_by")
    if step.get("act_by") is not None:
        return "the prescribed step", step.get("act_by")
    return "verified recovery", step.get("verify_by")


def _since(episode: EpisodeView, now: int) -> str:
    return format_duration(max(now - int(episode.latest["onset_at"]), 0))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
