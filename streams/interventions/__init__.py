"""Episodes: life cycle, playbooks, guardrails, responses."""
