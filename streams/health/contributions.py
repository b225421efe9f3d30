"""Why the score changed: addends by dimension and signal that sum to the change.

The score is a weighted mean of dimensions, each a weighted mean of parts, S = sum(w s). Measured from the old score S,
a dimension's share of the change is w' (s' - S) - w (s - S); these sum to S' - S exactly, also when a dimension
becomes known or unknown, for the weights on either side sum to 1. It splits into what the parts did, w' (s' - s), and
what the weighing did, (w' - w)(s - S). Inside a dimension the same holds for its parts.
"""

from __future__ import annotations

from streams.domain.health import Contribution, DimensionState

EARLIER = "earlier"
"""Name of the addend into which the oldest are folded."""
_NOTHING = 1e-12

Weighed = dict[str, tuple[float, float, DimensionState]]
"""Of each known dimension: its share of the score (they sum to 1), its score, its state."""


def shares(dimensions: dict[str, DimensionState]) -> Weighed:
    """The known dimensions with their shares in the score: weight times confidence, scaled to sum to 1."""
    known: Weighed = {}
    total = 0.0
    for name, d in dimensions.items():
        if d.score is not None:
            heavy = d.weight * d.confidence
            total += heavy
            known[name] = heavy, d.score, d
    if total <= 0:
        return {}
    return {name: (heavy / total, value, d) for name, (heavy, value, d) in known.items()}


def between(old: Weighed, new: Weighed, score: float, at: int) -> list[Contribution]:
    """Addends of the change from `old`, whose score is `score`, to `new`. Names are those of the signals.

    `weighing` is the effect of evidence having gained or lost confidence against other evidence.
    """
    found: list[Contribution] = []
    for name in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(name), new.get(name)
        if after is None:
            if before is not None:
                found.append(Contribution(name, "unknown", -before[0] * (before[1] - score), None, at))
        elif before is None:
            for part, share, value, event_id in _parts(after[2]):
                found.append(Contribution(name, part, after[0] * share * (value - score), event_id, at))
        else:
            found += _within(name, after[0], before[2], after[2], at)
            found.append(Contribution(name, "weighing", (after[0] - before[0]) * (before[1] - score), None, at))
    return [c for c in found if abs(c.points) > _NOTHING]


def _parts(dimension: DimensionState) -> list[tuple[str, float, float, str | None]]:
    """Parts of a dimension: name, share (they sum to 1), score, event."""
    total = sum(part.weight for part in dimension.parts.values())
    return [(key, part.weight / total, part.score, part.event_id) for key, part in dimension.parts.items()]


def _within(name: str, weight: float, before: DimensionState, after: DimensionState, at: int) -> list[Contribution]:
    """Addends of `weight` times the change of one dimension's score, by part."""
    if len(before.parts) == len(after.parts) == 1 and before.parts.keys() == after.parts.keys():
        ((key, part),) = after.parts.items()
        return [Contribution(name, key, weight * (part.score - before.parts[key].score), part.event_id, at)]
    base = before.score or 0.0
    old = {key: (share, value) for key, share, value, _ in _parts(before)}
    found: list[Contribution] = []
    weighing = 0.0
    for key, share, value, event_id in _parts(after):
        was = old.pop(key, None)
        if was is None:
            points = weight * share * (value - base)
        else:
            points = weight * share * (value - was[1])
            weighing += weight * (share - was[0]) * (was[1] - base)
        found.append(Contribution(name, key, points, event_id, at))
    weighing -= sum(weight * share * (value - base) for share, value in old.values())
    found.append(Contribution(name, "weighing", weighing, None, at))
    return found


def close_gap(found: list[Contribution], change: float, at: int) -> None:
    """Makes the addends sum to `change` in spite of rounding, which goes to the largest."""
    gap = change - sum(c.points for c in found)
    if not found:
        if abs(gap) > _NOTHING:
            found.append(Contribution("", "rounding", gap, None, at))
        return
    largest = found[0] if len(found) == 1 else max(found, key=lambda c: abs(c.points))
    largest.points += gap


def add(found: list[Contribution], change: list[Contribution], most: int) -> None:
    """Adds the addends of a change to `found`, in place: at most `most` of them stay, and the sum is the same.

    Those of the same dimension, signal and event become one; of too many the oldest are folded into one.
    """
    for c in change:
        dimension, name, event_id, points = c.dimension, c.name, c.event_id, c.points
        for index in range(len(found) - 1, -1, -1):
            same = found[index]
            if same.name == name and same.dimension == dimension and (same.event_id == event_id or name == EARLIER):
                points += same.points
                del found[index]
                break
        found.append(Contribution(dimension, name, points, event_id, c.at))
    if len(found) > most:
        # The earlier addend stays first: it holds the oldest ones.
        found.sort(key=lambda c: (c.name != EARLIER, c.at))
        cut = len(found) - most + 1
        points = sum(c.points for c in found[:cut])
        found[:cut] = [Contribution("", EARLIER, points, None, found[cut - 1].at)]


def folded(found: list[Contribution], most: int) -> list[Contribution]:
    """At most `most` addends with the same sum, as `add` makes them."""
    if len(found) <= most and len({(c.dimension, c.name, c.event_id) for c in found}) == len(found):
        return found
    result: list[Contribution] = []
    add(result, found, most)
    return result
