"""The demo's summary: what was seeded, found, missed and falsely raised, what became of it, and three stories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.cli.demo_view import Progress
from streams.domain.time import WEEK, format_duration, format_time
from streams.simulation.drops import ABSENT, BADLY, HONEST_NO, WELL, Drop
from streams.simulation.verdict import Verdict, judge
from streams.simulation.world import World, belongs
from streams.views.episode import EpisodeView
from streams.views.story import Line, episode_story
from streams.views.summary import Summary, summarise
from streams.views.view import View
from streams.views.words import GRADES, SUPPRESSED, moment

_TREATMENT = {
    WELL: "acted and followed up",
    BADLY: "apologised, sent a link",
    ABSENT: "nobody acted",
    HONEST_NO: "an honest no",
}
_DATE = 10


def show(console: Console, progress: Progress, stories: int) -> None:
    """Prints the summary of a run, as far as it has come, with at most `stories` stories of single accounts."""
    world, view, now = progress.world, progress.view, progress.at
    verdict, summary = judge(world, view, now), summarise(view)
    for part in _parts(world, verdict, summary, now):
        console.print(part, highlight=False)
    for number, (title, episode) in enumerate(told(world, view, now)[:stories], start=1):
        console.print(Text(f"\nStory {number}: {title}", style="bold"))
        for line in episode_story(episode, now):
            console.print(Padding(_told(line), (0, 0, 0, 2)), highlight=False)
    weeks, seconds = (now - world.start) / WEEK, max(progress.elapsed, 1e-9)
    console.print(
        f"\n{weeks:.1f} simulated weeks of {len(world.accounts)} accounts in {seconds:.0f} s: "
        f"{progress.processed:,} events, {progress.processed / seconds:,.0f} a second.",
        highlight=False,
    )


def _told(line: Line) -> RenderableType:
    """A line of a story; what was found and how it ended in full, the steps between in one sentence."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    text = Text(line.text)
    if line.kind in {"opened", "outcome"}:
        text.append(" " + " ".join(line.details), style="dim")
    table.add_row(moment(line.at), text)
    return table


def _parts(world: World, verdict: Verdict, summary: Summary, now: int) -> Iterator[RenderableType]:
    seeded, found = verdict.seeded.total(), verdict.found.total()
    yield Text("\nWhat was seeded and what was found", style="bold")
    yield _drops(verdict)
    delay = verdict.delay()
    yield (
        f"Drops found: {found} of {seeded} ({_percent(found, seeded)}), "
        f"{verdict.held_back.total()} seen but held back, {len(verdict.missed)} missed"
        + (f", {verdict.fresh.total()} too fresh to tell" if verdict.fresh else "")
        + (f"; half of them within {format_duration(delay)} of their start." if delay is not None else ".")
    )
    outage = f"{verdict.false_in_outage} of them around" if world.outage.start < now else "before"
    yield (
        f"Falsely raised: {len(verdict.false)} of {verdict.episodes} episodes, "
        f"{outage} the outage of the usage feed for everybody."
    )
    yield Text("\nWhat became of it", style="bold")
    recovery = summary.median_time_to_recovery_s
    yield (
        f"Back on track: {summary.back_on_track} of {summary.settled} settled episodes "
        f"({_share(summary.back_on_track_share)}); {summary.open} still open. "
        f"Median time to recovery: {format_duration(1000 * recovery) if recovery is not None else 'none yet'}, "
        "from the first sign."
    )
    yield (
        f"Without the customer having to chase: {_share(summary.unchased_share)} of the recovered. "
        f"Relapsed: {summary.relapsed}. Reported as recovered too early: {verdict.too_early}."
    )
    yield (
        f"Value a year of the accounts that recovered: ${summary.value_recovered:,.0f}; "
        f"of those with open episodes: ${summary.value_at_risk:,.0f}."
    )
    grades = ", ".join(f"{GRADES[int(grade)]} {count}" for grade, count in sorted(summary.grades.items()))
    yield f"Grades of the answers: {grades}."
    yield _treatments(verdict)
    if summary.suppressed:
        yield Text("\nWhat was held back, and why", style="bold")
        for reason, count in summary.suppressed.items():
            yield f"  {count:>4}  {SUPPRESSED.get(reason, reason)}"


def _drops(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for name in ("seeded", "found", "held back", "missed", "median delay"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("first raised as")
    for kind, seeded in verdict.seeded.most_common():
        delays = verdict.delays.get(kind)
        named = ", ".join(f"{as_kind} {count}" for (of, as_kind), count in verdict.found_as.most_common() if of == kind)
        table.add_row(
            kind,
            str(seeded),
            str(verdict.found[kind]),
            str(verdict.held_back[kind]),
            str(sum(drop.kind == kind for drop in verdict.missed)),
            format_duration(median(delays)) if delays else "",
            named,
        )
    return table


def _treatments(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("how people answered")
    for name in ("accounts", "back on track", ""):
        table.add_column(name, justify="right")
    for kind, text in _TREATMENT.items():
        treated = verdict.treated.get(kind)
        if treated is not None:
            table.add_row(text, str(treated.drops), str(treated.recovered), _percent(treated.recovered, treated.drops))
    return table


def told(world: World, view: View, now: int) -> list[tuple[str, EpisodeView]]:
    """Episodes worth reading, with a title: one of each way to be answered, of different kinds where there are any."""
    drops = [drop for drop in world.drops if drop.start <= now]
    found = [(drop, episode) for drop in drops for episode in _episodes(view, drop)]
    chosen: list[tuple[str, EpisodeView]] = []
    kinds: set[str] = set()
    for title, fits in _WANTED:
        matching = [(drop, episode) for drop, episode in found if fits(drop, episode)]
        matching.sort(key=lambda pair: pair[0].kind in kinds)
        if matching and all(not known.startswith(title) for known, _ in chosen):
            drop, episode = matching[0]
            kinds.add(drop.kind)
            chosen.append((f"{title}: {episode.account_id}, {format_time(drop.start)[:_DATE]}", episode))
    return chosen


_WANTED: tuple[tuple[str, Callable[[Drop, EpisodeView], bool]], ...] = (
    ("answered well", lambda drop, episode: drop.responder == WELL and episode.state == "confirmed"),
    ("answered well", lambda drop, episode: drop.responder == WELL and episode.phase == "recovered"),
    (
        "kind words only",
        lambda drop, episode: drop.responder == BADLY and episode.chases > 0 and episode.phase != "recovered",
    ),
    ("back, and down again", lambda _, episode: any(o["outcome"] == "relapsed" for o in episode.outcomes.values())),
    ("an honest no", lambda _, episode: episode.state == "handled_unresolved"),
    ("kind words only", lambda drop, _: drop.responder == BADLY),
    ("nobody acted", lambda drop, _: drop.responder == ABSENT),
)


def _episodes(view: View, drop: Drop) -> list[EpisodeView]:
    account = view.accounts.get(drop.account_id)
    theirs = account.episodes.values() if account else ()
    return [e for e in theirs if e.steps and belongs(drop, int(e.first["opened_at"]))]


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"
