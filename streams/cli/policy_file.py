"""The policy that a command runs under."""

from __future__ import annotations

from streams.policy.load import default_policy, load_policy
from streams.policy.model import Policy
from streams.settings import Settings, read_text


def chosen_policy(settings: Settings) -> Policy:
    """The file that the settings name, or the shipped policy. Raises SettingsError and PolicyError."""
    if settings.policy is None:
        return default_policy()
    return load_policy(read_text(settings.policy), str(settings.policy))
