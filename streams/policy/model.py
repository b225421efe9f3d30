"""The policy: everything that may be tuned, as plain frozen values. Read from a file by `policy/load.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from streams.policy.guardrails import EpisodeRules, Experiment, Guardrails
from streams.policy.playbooks import Playbook
from streams.policy.signals import DetectionPolicy, HealthPolicy, MetricPolicy, TimePolicy, VerificationPolicy
from streams.policy.units import Section, Text


class Policy(Section):
    """One version of the rules. Durations are int ms; the sections are described where they are defined."""

    version: Annotated[Text, Field(max_length=100)]
    time: TimePolicy = TimePolicy()
    metrics: dict[str, MetricPolicy]
    health: HealthPolicy
    detection: DetectionPolicy = DetectionPolicy()
    verification: VerificationPolicy = VerificationPolicy()
    guardrails: Guardrails
    episodes: EpisodeRules
    experiment: Experiment
    playbooks: tuple[Playbook, ...]

    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """The whole file as it was loaded, with what it extends merged in; empty for a policy made otherwise."""
        return self._text

    def with_text(self, text: str) -> Policy:
        """This policy, knowing the text it was read from."""
        self._text = text
        return self

    @model_validator(mode="after")
    def _playbooks_differ(self) -> Policy:
        if not self.playbooks:
            raise ValueError("playbooks: at least one is needed")
        names = [playbook.name for playbook in self.playbooks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"playbooks of the same name: {', '.join(twice)}")
        return self
