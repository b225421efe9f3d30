"""How values are written in a policy file: durations with a unit, times of day, shares; and the base of sections."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from streams.domain.time import parse_duration

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Section(BaseModel):
    """A part of the policy: unknown keys are refused, nothing changes after it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number(cls, value: object, info: ValidationInfo) -> object:
        """A truth value is no number: `limit: yes` would be a limit of one."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation in {int, float}:
            raise ValueError("write a number, not true or false")
        return value


def _duration(value: object) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("write a duration with its unit, for example 36h")


def _minute_of_day(value: object) -> int:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write a time of the day as HH:MM, for example 21:30")
    return int(found[1]) * 60 + int(found[2])


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Duration = Annotated[int, BeforeValidator(_duration), Field(ge=0)]
"""Milliseconds, written with a unit: 30s, 15m, 36h, 3d, 2w."""
TimeOfDay = Annotated[int, BeforeValidator(_minute_of_day)]
"""Minute of the local day, 0..1439, written as HH:MM."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share or a degree, 0..1."""
Text = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
"""A text that is not empty; a bare number is taken as its digits."""
