"""What the demo shows while it runs: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams import topics
from streams.domain.time import format_duration, format_time
from streams.simulation.loop import Decided
from streams.simulation.world import World
from streams.views.summary import summarise
from streams.views.view import View

_KEPT = 6
_RATE_SECONDS = 5.0
_LINE_SECONDS = 5.0
_DAY_LETTERS = 10


@dataclass(slots=True)
class Progress:
    """How far the demo is. Counts since its start."""

    world: World
    board: str = ""
    at: int = 0
    processed: int = 0
    """Events that the worker has committed."""
    view: View = field(default_factory=View)
    drops: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))
    recoveries: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _began: float = 0.0
    _ended: float | None = None
    _marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=200))

    def begin(self) -> None:
        """Starts the clock of the run."""
        self._began = time.monotonic()
        self._marks.append((self._began, 0))

    def end(self) -> None:
        """Stops the clock of the run."""
        self._ended = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Real seconds of the run."""
        return (self._ended or time.monotonic()) - self._began

    def step(self, at: int, processed: int, decided: list[Decided]) -> None:
        """Takes what one step of the simulation brought."""
        self.at, self.processed = at, processed
        self._marks.append((time.monotonic(), processed))
        for topic, account_id, record in decided:
            if not self.view.apply(topic, account_id, dict(record)):
                continue
            day = format_time(record["at"])[:_DAY_LETTERS] if "at" in record else ""
            if topic == topics.INTERVENTIONS and record["state"] in {"opened", "relapsed"}:
                again = "again: " if record["state"] == "relapsed" else ""
                self.drops.append(f"{day}  {account_id:<18} {again}{record['cause']['text']}")
            elif topic == topics.OUTCOMES and record["outcome"] == "back_on_track":
                took = record["time_to_recovery_s"]
                after = f" after {format_duration(1000 * took)}" if took is not None else ""
                self.recoveries.append(f"{day}  {account_id:<18} back on track{after} ({record['cause']['kind']})")

    @property
    def share(self) -> float:
        """Part of the simulated time that is over, 0..1."""
        world = self.world
        return max(0.0, min(1.0, (self.at - world.start) / (world.end - world.start)))

    @property
    def rate(self) -> float:
        """Events a second, over the last seconds."""
        now, count = self._marks[-1]
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_SECONDS:  # noqa: PLR2004  a rate needs two marks
            self._marks.popleft()
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0


class Screen:
    """Shows a progress; a context manager. Live on a terminal, otherwise (or `plain`) a line from time to time."""

    def __init__(self, console: Console, progress: Progress, *, plain: bool) -> None:
        self._console = console
        self._progress = progress
        self._live = None if plain or not console.is_terminal else Live(console=console, refresh_per_second=5)
        self._last_line = time.monotonic() - _LINE_SECONDS

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self) -> None:
        """Brings the picture up to date, or writes a line when it is time."""
        if self._live is not None:
            self._live.update(picture(self._progress))
        elif time.monotonic() - self._last_line >= _LINE_SECONDS or self._progress.share >= 1:
            self._last_line = time.monotonic()
            self._console.print(line(self._progress), highlight=False)


def line(progress: Progress) -> str:
    """The progress in one line."""
    now = summarise(progress.view)
    return (
        f"{_day(progress.at)}  {progress.share:4.0%}  events {progress.processed:,} ({progress.rate:,.0f}/s)  "
        f"episodes {now.episodes}, open {now.open}, back on track {now.back_on_track}, "
        f"held back {sum(now.suppressed.values())}"
    )


def picture(progress: Progress) -> RenderableType:
    """The progress as a picture."""
    now = summarise(progress.view)
    figures = Table.grid(padding=(0, 3))
    figures.add_row(
        f"[bold]{_day(progress.at)}[/]",
        f"events [bold]{progress.processed:,}[/] processed, {progress.rate:,.0f}/s",
        f"open episodes [bold red]{now.open}[/]",
        f"back on track [bold green]{now.back_on_track}[/]",
        f"held back [bold yellow]{sum(now.suppressed.values())}[/]",
    )
    parts: list[RenderableType] = [figures, ProgressBar(total=1.0, completed=progress.share)]
    parts += [Text(), Text("Last drops found", style="bold"), *_rows(progress.drops)]
    parts += [Text(), Text("Last recoveries", style="bold"), *_rows(progress.recoveries)]
    title = f"Back on Track: {len(progress.world.accounts)} simulated accounts"
    return Panel(Group(*parts), title=title, subtitle=progress.board or None)


def _rows(lines: deque[str]) -> list[Text]:
    kept = list(lines)
    return [Text(text, no_wrap=True, overflow="ellipsis") for text in kept + [""] * (_KEPT - len(kept))]


def _day(at: int) -> str:
    return format_time(at)[:_DAY_LETTERS]
