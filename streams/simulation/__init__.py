"""A simulated world of business customers: how they use the product, complain, get hurt, and heal or do not.

Everything is drawn from a seed and moves in simulated time, so one seed is one history. `world` produces the events,
`desk` and `responders` answer interventions, `ledger` knows the truth, `summary` compares it with what was found.
"""
