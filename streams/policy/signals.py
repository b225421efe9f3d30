"""The policy's sections `time`, `metrics`, `health`, `detection` and `verification`.

Durations are written with a unit (`36h`, `3d`) and are whole milliseconds here. Shares and confidences lie in [0, 1].
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from streams.domain.time import DAY, HOUR, WEEK
from streams.policy.units import Duration, Section, Share

Dimension = Literal["support", "service", "success", "sales", "sentiment"]
DIMENSIONS: tuple[Dimension, ...] = ("support", "service", "success", "sales", "sentiment")
"""The five dimensions, in the order in which they are shown."""
DEFAULT_METRIC = "default"
"""Name of the entry for metrics that the policy does not name."""
PERIODS = {"sample": 0, "hour": HOUR, "day": DAY, "week": WEEK}
"""Length of the periods in ms; each sample is a period of its own for `sample`."""
_LEVEL = {"period": "sample", "transform": "none"}
_WEEKLY = {"min_periods": 8, "min_run": 4, "recent": 4, "drop_ratio": 0.5, "noise_share": 0.35}
"""Defaults of weekly metrics where they differ: fewer periods, each of them noisier."""


class TimePolicy(Section):
    """How event time is treated."""

    max_lateness: Duration = Field(172_800_000, description="Usage and sentiment older than this are not learnt")
    max_future: Duration = Field(86_400_000, description="An event further ahead of its record time is dead-lettered")
    duplicate_horizon: int = Field(64, ge=0, le=4_096, description="Newest event ids by which repeats are known")
    close_delay: Duration = Field(3_600_000, description="A period that nothing follows closes so long after its end")
    session: Duration = Field(28_800_000, gt=0, description="Activity within this time belongs to one session")


class MetricPolicy(Section):
    """How the events of a metric become a series, and what counts as a change of it.

    `kind: auto` finds cadence and kind from the first samples (`health/cadence.py`): what comes at regular moments is a
    `level`, each sample judged as it comes by the detectors of regular series; else events add up by day or week.
    """

    kind: Literal["auto", "level", "sum", "mean", "last", "max"] = Field(
        "sum", description="How values add up in a period; level: regular samples; auto: found from the data"
    )
    period: Literal["sample", "hour", "day", "week"] = Field("day", description="Not used for auto and level")
    dimension: Dimension = "success"
    good: Literal["up", "down"] = Field("up", description="up: a fall hurts; down: a rise hurts")
    watch: Literal["harm", "both"] = Field(
        "harm", description="both: a level tells changes for the better, too; only harm fires an intervention"
    )
    transform: Literal["none", "sqrt"] = Field("sqrt", description="sqrt steadies the noise of counts and money")
    weight: float = Field(1.0, gt=0, description="Weight in its dimension")
    min_periods: int = Field(21, ge=4, le=104, description="Periods before anything is judged")
    min_run: int = Field(3, ge=1, le=12, description="Fewest bad periods that make a drop")
    recent: int = Field(5, ge=1, le=16, description="Newest periods that make the present level")
    drop_ratio: Share = Field(0.6, description="A drop takes the level to this share of normal, or below")
    noise_share: Share = Field(0.12, description="Noise is never taken to be below this share of normal")
    noise_floor: float = Field(0.0, ge=0, description="nor below this value, in the working unit")
    evidence: float | None = Field(
        None, gt=0, description="Twice the log-likelihood ratio that raises a drop; null: from the rate allowed"
    )
    threshold: float | None = Field(None, description="Absolute level that is a drop in itself")
    unit: str = ""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_period(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if given.get("kind") == "level":
            return {**given, **_LEVEL}
        return {**_WEEKLY, **given} if given.get("period") == "week" else given

    @cached_property
    def _shapes(self) -> dict[str, MetricPolicy]:
        given = self.model_dump(exclude_unset=True)
        made = {"level": {"kind": "level"}}
        made |= {period: {"kind": "sum", "period": period} for period in ("day", "week")}
        return {shape: MetricPolicy.model_validate({**given, **fields}) for shape, fields in made.items()}

    def shaped(self, shape: str) -> MetricPolicy:
        """The entry as it is for a metric of a known shape: `level`, `day` or `week`. Itself unless `kind: auto`."""
        return self._shapes[shape] if self.kind == "auto" and shape else self

    @property
    def tells_use(self) -> bool:
        """True when a value above 0 says that the customer was active; of `auto`, until it proves to be a level."""
        return self.good == "up" and self.kind != "level"

    @property
    def length(self) -> int:
        """Length of a period in ms; 0 when each sample is one."""
        return PERIODS[self.period]

    @property
    def fills(self) -> bool:
        """True when a period without an event is a zero, False when it is no evidence."""
        return self.kind in {"sum", "max"} and self.period != "sample"


class WeightRule(Section):
    """Weights for accounts of a segment, a stage, or both; the last rule that fits wins."""

    segment: str = ""
    stage: str = ""
    weights: dict[Dimension, float]

    @model_validator(mode="after")
    def _positive(self) -> WeightRule:
        if not self.weights or min(self.weights.values()) < 0 or sum(self.weights.values()) <= 0:
            raise ValueError("weights must be zero or more, and not all zero")
        return self


class Bands(Section):
    """Lower ends of the bands of the score; below `at_risk` is critical."""

    healthy: float = Field(70.0, ge=0, le=100)
    watch: float = Field(55.0, ge=0, le=100)
    at_risk: float = Field(40.0, ge=0, le=100)
    hysteresis: float = Field(3.0, ge=0, le=20, description="Points beyond an edge before the band changes")

    @model_validator(mode="after")
    def _descending(self) -> Bands:
        if not self.healthy > self.watch > self.at_risk:
            raise ValueError("bands must fall: healthy > watch > at_risk")
        return self


class HealthPolicy(Section):
    """How signals become a score."""

    weights: list[WeightRule] = Field(min_length=1, description="The first is for everybody")
    bands: Bands = Bands()
    min_confidence: Share = Field(0.2, description="At or below this the score is unknown")
    half_life: Duration = Field(1_209_600_000, gt=0, description="Time in which evidence loses half of its confidence")
    blocker_points: dict[str, float] = Field(
        default_factory=lambda: {"high": 6.0, "urgent": 12.0},
        description="Points a day that an open ticket takes from its dimension, by priority",
    )
    blocker_cap: float = Field(60.0, ge=0, le=80, description="Most points that open tickets take together")
    follow_up: Duration = Field(2_592_000_000, description="How long a closed ticket is remembered")
    max_tickets: int = Field(64, ge=1, le=1_000, description="Tickets kept for an account; the oldest closed go first")
    max_contributions: int = Field(24, ge=4, le=200, description="Addends kept since the band changed")
    max_metrics: int = Field(32, ge=1, le=200, description="Metrics kept for an account; more are not learnt")

    @cached_property
    def _chosen(self) -> dict[tuple[str, str], tuple[list[WeightRule], dict[str, float]]]:
        return {}

    def weights_for(self, segment: str, stage: str) -> dict[str, float]:
        """Weights of the five dimensions, in order, for a segment and stage; they sum to 1. Not to be changed."""
        rules, weights = self._chosen.get((segment, stage), (None, {}))
        if rules is not self.weights:  # a copy with other rules shares the cache of its original
            chosen: dict[Dimension, float] = {}
            for rule in self.weights:
                if rule.segment in ("", segment) and rule.stage in ("", stage):
                    chosen = rule.weights
            total = sum(chosen.values())
            weights = {name: chosen.get(name, 0.0) / total for name in DIMENSIONS}
            self._chosen[segment, stage] = self.weights, weights
        return weights

    @model_validator(mode="after")
    def _first_for_all(self) -> HealthPolicy:
        if self.weights[0].segment or self.weights[0].stage:
            raise ValueError("the first weights must be for everybody: without segment and stage")
        return self


class FeedPolicy(Section):
    """When a source, not a customer, is silent. See `health/feeds.py`."""

    evidence: float = Field(12.0, gt=0, description="Nats of evidence that it is no chance: 12 is once in e^12 times")
    burst_evidence: float = Field(24.0, gt=0, description="The same for words and tickets, which come in bursts")
    min_gap: Duration = Field(7_200_000, description="Never silent sooner than this")
    history: Duration = Field(
        691_200_000, ge=604_800_000, description="A feed is not judged before it is known this long"
    )


class RelativePolicy(Section):
    """A drop of a metric against its own normal. See `detection/relative.py`."""

    window: int = Field(16, ge=8, le=32, description="Newest periods in which the change is looked for")
    max_age: int = Field(9, ge=2, le=32, description="A change further back is taken over as normal in silence")
    memory: int = Field(104, ge=8, le=1_000, description="Periods that make the normal and its noise")
    sparse_noise: Share = Field(0.47, description="Share of the mean square taken as noise where most periods are zero")
    quiet_bonus: Share = Field(0.2, description="Preference for low stretches that are steady")
    cooldown: Duration = Field(604_800_000, description="No second alarm of a metric within this time")


class SeriesPolicy(Section):
    """Metrics of `kind: level`. See the modules of `detection/series/`."""

    novelty_limit: float = Field(
        1.95,
        gt=0,
        description="Decades of evidence that make a sample new, at 0.2 permitted alarms a year",
    )
    cusum_k: float = Field(1.0, gt=0, description="Standard deviations that an expectation may be off")
    change_penalty: float = Field(
        7.0, gt=0, description="Steps of a day or more: evidence of a change over ln(rows), at 0.2 permitted alarms"
    )
    share_back: Share = Field(0.8, description="A deviation of which this share is gone is over")
    settle_rows: int = Field(40, ge=10, description="A deviation that was seen so many rows ago is the new normal")


class ForecastPolicy(Section):
    """A metric that will be too low soon."""

    horizon: Duration = Field(1_814_400_000, gt=0, description="How far ahead a crossing counts")
    share: Share = Field(0.5, description="Share of normal that must not be crossed")
    t: float = Field(5.5, gt=0, description="Slope over its own standard error that is believed")
    min_periods: int = Field(8, ge=4, le=16, description="Periods that the line is drawn through")
    cooldown: Duration = Field(1_814_400_000, description="No second forecast of a metric within this time")


class SilencePolicy(Section):
    """An account that is overdue against its own rhythm."""

    share: float = Field(
        0.15, gt=0, le=1, description="Share of the permitted false alarms (`max_false_alarms_per_account_year`)"
    )
    min_gaps: int = Field(8, ge=3, description="Gaps before a rhythm is known")
    min_gap: Duration = Field(259_200_000, description="Never sooner")
    max_gap: Duration = Field(31_449_600_000, description="Never later")
    onboarding: Duration = Field(1_209_600_000, description="No use this long after `created` is a silent start")


class BgNbdPolicy(Section):
    """Parameters of `detection/bg_nbd.py`; times in weeks. `backontrack dormancy fit` finds them."""

    r: float = Field(gt=0, description="Shape of the accounts' rates of sessions")
    alpha: float = Field(gt=0, description="and their scale: r/alpha sessions a week are usual")
    a: float = Field(gt=0, description="After a session the usual account leaves with probability a/(a+b)")
    b: float = Field(gt=0, description="The larger a+b, the more alike the accounts are in that")


class DormancyPolicy(Section):
    """How likely an account is gone. See `detection/dormancy.py`."""

    horizon: Duration = Field(
        23_587_200_000, ge=2_419_200_000, description="Gone means no sign of life for so long from now"
    )
    bg_nbd: BgNbdPolicy | None = Field(None, description="Needed for the model `bg_nbd`, else not used")
    model: Literal["logistic", "bg_nbd"] = Field(
        "logistic", description="logistic: learnt from the past by itself; bg_nbd: by the parameters given"
    )

    @field_validator("model")
    @classmethod
    def _has_parameters(cls, model: str, info: ValidationInfo) -> str:
        # Parameters that are wrong in themselves are told apart from this, and are not in `data` then.
        if model == "bg_nbd" and info.data.get("bg_nbd", ...) is None:
            raise ValueError("needs `bg_nbd: {r, alpha, a, b}`, see `backontrack dormancy fit`")
        return model


class FrustrationPolicy(Section):
    """Sentiment that falls inside one conversation, or from one to the next."""

    min_utterances: int = Field(4, ge=2, le=12)
    shift: float = Field(-0.25, ge=-1, lt=0, description="(mean end - mean start)/2, at or below")
    end: float = Field(0.0, ge=-1, le=1, description="and the end sounds worse than this")
    min_interactions: int = Field(
        3, ge=2, le=16, description="Newest conversations and remarks that are compared with what was usual before"
    )
    max_interactions: int = Field(8, ge=1, le=64, description="Conversations kept for an account")


class BlockedPolicy(Section):
    """Tickets that stay open for too long."""

    after: dict[str, Duration] = Field(
        default_factory=lambda: {"urgent": 86_400_000, "high": 259_200_000},
        description="How long, by priority; priorities that are not named never block",
    )


class ThresholdPolicy(Section):
    """A level that is bad in itself."""

    score: float = Field(40.0, ge=0, le=100, description="Health below this")
    min_confidence: Share = Field(0.45, description="when it is known at least this well")


class DetectionPolicy(Section):
    """When something is wrong."""

    max_false_alarms_per_account_year: float = Field(
        0.2, gt=0, le=52, description="Drops that chance alone may raise in a year of an account: how sure to be"
    )
    feed: FeedPolicy = FeedPolicy()
    relative: RelativePolicy = RelativePolicy()
    series: SeriesPolicy = SeriesPolicy()
    forecast: ForecastPolicy = ForecastPolicy()
    silence: SilencePolicy = SilencePolicy()
    dormancy: DormancyPolicy = DormancyPolicy()
    frustration: FrustrationPolicy = FrustrationPolicy()
    blocked: BlockedPolicy = BlockedPolicy()
    threshold: ThresholdPolicy = ThresholdPolicy()


class VerificationPolicy(Section):
    """When a drop is over, and how it is known."""

    recovery_share: Share = Field(0.8, description="Share of the frozen baseline that counts as back")
    hold_periods: int = Field(3, ge=1, le=12, description="Periods that must be back")
    new_normal_after: Duration = Field(3_628_800_000, description="A lower level that lasts so long is the new normal")
    new_normal_periods: int = Field(26, ge=1, description="but not before so many periods of the metric")
    gone_share: Share = Field(0.05, description="Below this share nothing is a normal")
    activity_hold: Duration = Field(604_800_000, description="Resumed use must go on for this long")
    sentiment_utterances: int = Field(3, ge=1, le=12, description="Later utterances that prove a better mood")
    sentiment_margin: float = Field(0.1, ge=0, le=1, description="Below normal by at most this is back at normal")
    quiet_hold: Duration = Field(1_209_600_000, description="No word and no open ticket for this long counts as calm")
    blocked_hold: Duration = Field(172_800_000, description="A resolved ticket must stay so for this long")
    score_hold: Duration = Field(259_200_000, description="The score must stay back for this long")

    def share_back(self, metric: MetricPolicy) -> float:
        """Share of its baseline at which a metric is back: clearly beyond the share that made it a drop."""
        return max(self.recovery_share, (1 + metric.drop_ratio) / 2)


DEFAULT = MetricPolicy(kind="auto", watch="both")


def metric_policy(metrics: dict[str, MetricPolicy], name: str, shape: str = "") -> MetricPolicy:
    """Entry of a metric; that of `default`, or the built-in one, when the policy does not name it.

    `shape` is what `health/cadence.py` has found for this account; it counts for entries of `kind: auto`.
    """
    entry = metrics.get(name) or metrics.get(DEFAULT_METRIC) or DEFAULT
    return entry.shaped(shape) if shape else entry
