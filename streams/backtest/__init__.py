"""History on disk through the worker's core, several policies at once, and what came of it."""
