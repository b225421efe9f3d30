"""Health of an account against its own normal: signals, dimensions, score, contributions."""
