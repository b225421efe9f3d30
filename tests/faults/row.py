"""What a row of the fault plan is, and the workers that it runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.brokers import Tier
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from tests.faults.case import Case


_TAKEN = "partitions taken over"


class CaseFailed(Exception):  # noqa: N818  says what happened
    """The case did not pass; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row of the fault plan.

    `tier` is where it runs, or several places; `variants` are runs of its own for each seed (`case.variant`).
    With `own_broker` the case gets a broker of its own, which it may stop, kill and pause. What is `alone` measures
    speed or memory, so that nothing else should run beside it. `unavailable` says why a variant cannot run on this
    machine; None when it can.
    """

    number: int
    title: str
    tier: Tier | tuple[Tier, ...]
    run: Callable[[Case], None]
    limits: Mapping[str, float] = field(default_factory=dict)
    own_broker: bool = False
    variants: tuple[str, ...] = ("",)
    alone: bool = False
    unavailable: Callable[[str], str | None] = lambda _variant: None

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Where it runs."""
        return self.tier if isinstance(self.tier, tuple) else (self.tier,)


class Worker(WorkerProcess):
    """A worker of a case. `may_exit` are the exit codes with which it may end by itself."""

    def __init__(
        self,
        name: str,
        log: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        **settings: str,
    ) -> None:
        self.name = name
        self.killed = False
        self.may_exit: set[int] = {0}
        self.again = (arguments, env, cwd, settings)
        """What it was started with."""
        super().__init__(log, *arguments, env=env, cwd=cwd, **settings)

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        self.killed = True
        super().kill()

    def stop(self, timeout: float = 60.0) -> int:
        """Asks it to stop; exit code. One that was still starting may end by the signal itself: that is 0 here."""
        code = super().stop(timeout)
        if code == -signal.SIGTERM and _TAKEN not in self.output:
            self.may_exit.add(code)
            return 0
        return code
