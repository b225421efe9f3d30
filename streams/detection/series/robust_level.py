"""Mean and scale of a stream that outliers hardly move: an exponentially weighted mean with Huber's clipping."""

from __future__ import annotations

CLIP = 3.0
"""Standard deviations beyond which a value counts as no further away (Huber, Robust Estimation of a Location Parameter,
1964)."""
SIGMA = 1.2533
"""Standard deviation of normal noise over its mean absolute deviation, sqrt(pi/2)."""
NO_SCALE = 50.0
"""Standard deviations that any change counts as where nothing has varied so far."""
FARTHEST = 1e6
"""Bound of what is returned. A series that stands still lets its scale decay: without a bound, ratios overflow."""


def standardised(y: float, mean: float, scale: float, gain: float, settled: bool) -> tuple[float, float, float]:  # noqa: FBT001  hot
    """How many standard deviations `y` lies from the mean so far, and the new mean and scale.

    `settled` is False while too little is known to call a value an outlier: then the first is 0 and nothing is clipped.
    A scale of 0 means that nothing has varied yet. Then too the value is learnt as it is: clipping would keep it at 0.
    """
    d = y - mean
    z = 0.0
    if settled:
        if scale > 0.0:
            z = d / scale
            if z > CLIP:
                d = CLIP * scale
                z = min(z, FARTHEST)
            elif z < -CLIP:
                d = -CLIP * scale
                z = max(z, -FARTHEST)
        elif d:
            z = NO_SCALE if d > 0.0 else -NO_SCALE
    return z, mean + gain * d, scale + gain * (SIGMA * (d if d > 0.0 else -d) - scale)
